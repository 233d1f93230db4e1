//! The tables that a JPEG defines before its scan.
//!
//! In: the segments that define them. Out: steps of quantisation and tables of codes. Never: a table of codes made that is
//! replaced before the scan: a file can define any number of them.

use std::rc::Rc;

use super::huffman::{Class, Table};

/// The tables of a JPEG, four of a kind at most.
#[derive(Default)]
pub(super) struct Tables<'a> {
    /// Of quantisation, in the order in which coefficients are stored.
    pub(super) steps: [Option<[u16; 64]>; 4],
    dc: [Option<Codes<'a>>; 4],
    ac: [Option<Codes<'a>>; 4],
}

/// How many codes there are of each length, and their symbols.
type Codes<'a> = (&'a [u8; 16], &'a [u8]);

impl<'a> Tables<'a> {
    /// The tables for first coefficients; none in the place of one that cannot be.
    pub(super) fn dc(&self) -> [Option<Rc<Table>>; 4] {
        self.dc.map(|codes| {
            codes.and_then(|(counts, symbols)| Table::new(Class::Dc, counts, symbols).map(Rc::new))
        })
    }

    /// The tables for the others, joined for a long scan.
    pub(super) fn ac(&self, is_long: bool) -> [Option<Rc<Table>>; 4] {
        let made = |(counts, symbols): Codes| {
            let table = Table::new(Class::Ac, counts, symbols)?;
            Some(Rc::new(if is_long { table.joined() } else { table }))
        };
        self.ac.map(|codes| codes.and_then(made))
    }

    /// From a segment that defines quantisation (DQT; T.81, B.2.4.1).
    pub(super) fn add_steps(&mut self, mut payload: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = payload.split_first() {
            let (steps, rest) = match head >> 4 {
                0 => {
                    let (steps, rest) = rest.split_first_chunk::<64>()?;
                    (steps.map(u16::from), rest)
                }
                1 => {
                    let (steps, rest) = rest.split_first_chunk::<128>()?;
                    let steps = steps.as_chunks::<2>().0;
                    (
                        std::array::from_fn(|index| u16::from_be_bytes(steps[index])),
                        rest,
                    )
                }
                _ => return None,
            };
            *self.steps.get_mut(usize::from(head & 15))? = Some(steps);
            payload = rest;
        }
        Some(())
    }

    /// From a segment that defines codes (DHT; T.81, B.2.4.2).
    pub(super) fn add_codes(&mut self, mut payload: &'a [u8]) -> Option<()> {
        while let Some((&head, rest)) = payload.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count)?;
            let codes = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *codes.get_mut(usize::from(head & 15))? = Some((counts, symbols));
            payload = rest;
        }
        Some(())
    }
}
