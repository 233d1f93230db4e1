//! Letters for a picture, 5 pixels wide and 8 high (the last row is for what hangs below the line).
//!
//! In: a character. Out: its pixels. Never: a font file; what is not drawn here is left blank.

/// Pixels from one letter to the next.
pub(super) const ADVANCE: usize = 6;
/// Rows of a letter.
pub(super) const HEIGHT: usize = 8;
/// Columns of a letter.
const WIDTH: usize = 5;

/// Whether a letter covers the pixel in this column and row of it.
pub(super) fn covers(letter: char, column: usize, row: usize) -> bool {
    BANDS.iter().any(|(letters, rows)| {
        let place = letters.chars().position(|known| known == letter);
        place.is_some_and(|place| {
            column < WIDTH && rows[row].as_bytes().get(place * ADVANCE + column) == Some(&b'#')
        })
    })
}

/// The letters, drawn one beside the other.
const BANDS: [(&str, [&str; HEIGHT]); 6] = [
    (
        "ABCDEFGHIJKLM",
        [
            " ###  ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   #",
            "#   # #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ##",
            "#   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # #",
            "##### ####  #     #   # ####  ####  # ### #####   #      #  ##    #     # # #",
            "#   # #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   #",
            "#   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   #",
            "#   # ####   ###  ####  ##### #      ###  #   #  ###   ##   #   # ##### #   #",
            "",
        ],
    ),
    (
        "NOPQRSTUVWXYZ",
        [
            "#   #  ###  ####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####",
            "##  # #   # #   # #   # #   # #       #   #   # #   # #   # #   # #   #     #",
            "# # # #   # #   # #   # #   # #       #   #   # #   # #   #  # #   # #     #",
            "#  ## #   # ####  #   # ####   ###    #   #   # #   # # # #   #     #     #",
            "#   # #   # #     # # # # #       #   #   #   # #   # # # #  # #    #    #",
            "#   # #   # #     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #",
            "#   #  ###  #      ## # #   # ####    #    ###    #   #   # #   #   #   #####",
            "",
        ],
    ),
    (
        "abcdefghijklm",
        [
            "      #               #         ##        #       #      #  #      ##",
            "      #               #        #  #       #                 #       #",
            " ###  # ##   ###   ## #  ###   #     #### # ##   ##     ##  #  #    #   ## #",
            "    # ##  # #     #  ## #   # ###   #   # ##  #   #      #  # #     #   # # #",
            " #### #   # #     #   # #####  #    #   # #   #   #      #  ##      #   # # #",
            "#   # #   # #   # #   # #      #     #### #   #   #      #  # #     #   #   #",
            " #### ####   ###   ####  ###   #        # #   #  ###  #  #  #  #   ###  #   #",
            "                                     ###               ##",
        ],
    ),
    (
        "nopqrstuvwxyz",
        [
            "                                     #",
            "                                     #",
            "# ##   ###  ####   #### # ##   #### ###   #   # #   # #   # #   # #   # #####",
            "##  # #   # #   # #   # ##  # #      #    #   # #   # #   #  # #  #   #    #",
            "#   # #   # #   # #   # #      ###   #    #   # #   # # # #   #   #   #   #",
            "#   # #   # ####   #### #         #  #  # #  ##  # #  # # #  # #   ####  #",
            "#   #  ###  #         # #     ####    ##   ## #   #    # #  #   #     # #####",
            "            #         #                                            ###",
        ],
    ),
    (
        "0123456789",
        [
            " ###    #    ###  #####    #  #####   ##  #####  ###   ###",
            "#   #  ##   #   #    #    ##  #      #        # #   # #   #",
            "#  ##   #       #   #    # #  ####  #        #  #   # #   #",
            "# # #   #      #     #  #  #      # ####    #    ###   ####",
            "##  #   #     #       # #####     # #   #  #    #   #     #",
            "#   #   #    #    #   #    #  #   # #   #  #    #   #    #",
            " ###   ###  #####  ###     #   ###   ###   #     ###   ##",
            "",
        ],
    ),
    (
        ".,-/%:",
        [
            "                      # ##",
            "                      # ##  #  ##",
            "                     #     #   ##",
            "            #####   #     #",
            "                   #     #     ##",
            " ##    ##         #     #  ##  ##",
            " ##     #         #        ##",
            "       #",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_picture_says_is_drawn() {
        let labels = crate::domain::Label::NAMES.concat();
        for letter in labels
            .chars()
            .chain("0123456789.%x:,-/".chars())
            .filter(|c| *c != ' ')
        {
            let pixels = (0..HEIGHT).flat_map(|row| (0..WIDTH).map(move |column| (column, row)));
            let covered = pixels
                .filter(|&(column, row)| covers(letter, column, row))
                .count();
            assert!((3..=20).contains(&covered), "{letter:?} has {covered} pixels");
        }
        assert!(!(0..HEIGHT).any(|row| covers(' ', 2, row) || covers('\u{e9}', 2, row)));
    }

    #[test]
    fn no_two_letters_look_alike() {
        let looks = |letter: char| -> Vec<bool> {
            let pixels = (0..HEIGHT).flat_map(|row| (0..WIDTH).map(move |column| (column, row)));
            pixels.map(|(column, row)| covers(letter, column, row)).collect()
        };
        let letters: Vec<char> = BANDS.iter().flat_map(|(letters, _)| letters.chars()).collect();
        for (index, &letter) in letters.iter().enumerate() {
            for &other in &letters[..index] {
                assert_ne!(looks(letter), looks(other), "{letter} and {other}");
            }
        }
    }
}
