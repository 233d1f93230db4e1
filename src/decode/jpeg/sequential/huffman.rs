//! Entropy-coded bytes -> symbols and their values: Huffman coding as in ITU-T T.81, annexes C and F.
//!
//! In: the definition of a table; the bytes between two markers. Out: runs and values. Never: a panic, or a symbol
//! without a code. Bits that are not there read as zeros; who has read all that he expected asks [`Bits::are_spent`].

/// Bits that a table is looked up with. Longer codes are rare; a larger table would cost more to make than it saves.
const LOOKED_UP: u32 = 10;
/// Bits of the longest code.
const LONGEST: usize = 16;
/// The advance of a symbol that no coefficient follows: it leads out of every block.
pub(super) const END: u32 = 128;

/// What the next bits stand for, packed, so that one look brings all of it: in bits 0 to 4 how many of them it takes, in
/// bit 5 whether the value is still to be read from them, in bits 8 to 15 the advance, in bits 16 to 31 the value (signed)
/// or, if that is to be read, how many bits it has. 0 is no symbol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Symbol(u32);

impl Symbol {
    const TO_BE_READ: u32 = 1 << 5;

    fn with_value(bits: u32, advance: u32, value: i32) -> Self {
        Self(bits | advance << 8 | (value as u32) << 16)
    }

    fn to_be_read(bits: u32, advance: u32, size: u32) -> Self {
        Self(bits | Self::TO_BE_READ | advance << 8 | size << 16)
    }

    /// Bits that it takes, with those of its value; at most 27.
    #[inline(always)]
    fn bits(self) -> u32 {
        self.0 & 31
    }

    /// Coefficients up to and with the one that the value is of, or [`END`].
    #[inline(always)]
    fn advance(self) -> u32 {
        self.0 >> 8 & 255
    }

    #[inline(always)]
    fn value(self) -> i32 {
        self.0 as i32 >> 16
    }
}

/// A Huffman table of a sequential JPEG.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// By the next bits: the symbol; none where its code is longer, or where there is none.
    symbols: Box<[Symbol; 1 << LOOKED_UP]>,
    /// By the next bits: as many whole symbols of one block as they hold, as if they were one. To pass over blocks; none
    /// where there are too few of them.
    runs: Option<Box<[Symbol; 1 << LOOKED_UP]>>,
    /// All symbols, in the order of their codes.
    ordered: Vec<Symbol>,
    /// By length: the first code that is longer, at the upper end of 16 bits.
    beyond: [u32; LONGEST + 1],
    /// By length: the place of a code's symbol, less the code.
    place: [i32; LONGEST + 1],
}

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A block's first coefficient, as a difference.
    Dc,
    /// The others.
    Ac,
}

impl Class {
    /// How far a symbol leads, and how many bits its value has; `None` of one that sequential JPEGs of 8 bits do not have.
    fn meaning(self, symbol: u8) -> Option<(u32, u32)> {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (self, run, size) {
            (Class::Dc, 0, 0..=11) => Some((1, size)),
            (Class::Ac, 0, 0) => Some((END, 0)),
            (Class::Ac, 15, 0) | (Class::Ac, _, 1..=10) => Some((run + 1, size)),
            _ => None,
        }
    }
}

impl Table {
    /// A table from how many codes there are of each length, 1 to 16, and the symbols in the order of their codes; `None`
    /// where these make no table that is used here.
    pub(super) fn new(class: Class, counts: &[u8; LONGEST], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            symbols: Box::new([Symbol::default(); 1 << LOOKED_UP]),
            runs: None,
            ordered: Vec::with_capacity(symbols.len()),
            beyond: [0; LONGEST + 1],
            place: [0; LONGEST + 1],
        };
        let mut code = 0u32;
        let mut rest = symbols.iter();
        for (length, &count) in (1u32..).zip(counts) {
            table.place[length as usize] = table.ordered.len() as i32 - code as i32;
            for _ in 0..count {
                let (advance, size) = class.meaning(*rest.next()?)?;
                table.add(code, length, advance, size)?;
                code += 1;
            }
            // A code of ones alone is none (T.81, annex C).
            if code >= 1 << length {
                return None;
            }
            table.beyond[length as usize] = code << (LONGEST as u32 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// With runs, for a long way to go: to make them takes as long as to pass over some thousand blocks saves.
    pub(super) fn joined(mut self) -> Self {
        let mut runs = Box::new([Symbol::default(); 1 << LOOKED_UP]);
        for (looked_up, joined) in runs.iter_mut().enumerate() {
            *joined = self.run(looked_up);
        }
        self.runs = Some(runs);
        self
    }

    /// Adds a symbol, with its value for all bits that may follow its code where they fit in.
    fn add(&mut self, code: u32, length: u32, advance: u32, size: u32) -> Option<()> {
        let bits = length + size;
        let symbol = Symbol::to_be_read(bits, advance, size);
        self.ordered.push(symbol);
        if length > LOOKED_UP {
            return Some(());
        }
        let places = 1usize << (LOOKED_UP - length);
        let begin = code as usize * places;
        let places = self.symbols.get_mut(begin..begin + places)?;
        if bits > LOOKED_UP {
            places.fill(symbol);
            return Some(());
        }
        for (following, place) in places.iter_mut().enumerate() {
            let value = extended(following as u32 >> (LOOKED_UP - bits), size);
            *place = Symbol::with_value(bits, advance, value);
        }
        Some(())
    }

    /// The whole symbols that some bits hold.
    fn run(&self, looked_up: usize) -> Symbol {
        let (mut bits, mut advance) = (0, 0);
        while advance < END {
            let next = self.symbols[(looked_up << bits) & ((1 << LOOKED_UP) - 1)];
            let is_whole = next != Symbol::default() && bits + next.bits() <= LOOKED_UP;
            // One block's: no more than the 63 coefficients behind its first.
            if !is_whole || advance + next.advance() % END > 63 {
                break;
            }
            bits += next.bits();
            advance += next.advance();
        }
        Symbol::with_value(bits, advance, 0)
    }

    /// The symbol of a code that is too long to be looked up, at the upper end of 16 bits.
    #[cold]
    #[inline(never)]
    fn long(&self, next: u32) -> Option<Symbol> {
        let mut lengths = LOOKED_UP as usize + 1..=LONGEST;
        let length = lengths.find(|&length| next < self.beyond[length])?;
        let code = (next >> (LONGEST - length)) as i32;
        self.ordered.get((code + self.place[length]) as usize).copied()
    }
}

/// The value of `size` bits: those that begin with 0 are negative (T.81, F.2.2.1).
#[inline(always)]
fn extended(bits: u32, size: u32) -> i32 {
    let (value, first) = (bits as i32, (1 << size) >> 1);
    if value < first {
        value - (1 << size) + 1
    } else {
        value
    }
}

/// Zeros that must follow the bytes of an interval: they are read ahead.
pub(super) const PADDING: [u8; 8] = [0; 8];

/// The bits of an interval, without the zeros that are stuffed behind each FF.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    /// With [`PADDING`].
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on; behind those that count, zeros or what will come there anyway.
    held: u64,
    /// How many of them count.
    count: u32,
}

impl<'a> Bits<'a> {
    /// From bytes that end with [`PADDING`]; `None` without it.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.ends_with(&PADDING).then_some(Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
        })
    }

    /// Holds at least 56 bits afterwards: two symbols' at least.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let at = self.at.min(self.bytes.len() - PADDING.len());
        let next = self.bytes[at..].first_chunk().expect("padded; this is a bug");
        self.held |= u64::from_be_bytes(*next) >> self.count;
        self.at += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    #[inline(always)]
    fn take(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    #[inline(always)]
    fn looked_up(&self) -> usize {
        (self.held >> (64 - LOOKED_UP)) as usize
    }

    /// The next symbol's advance and value (0 where it has none), of the bits that are held; `None` where no code begins so.
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Table) -> Option<(u32, i32)> {
        let symbol = table.symbols[self.looked_up()];
        if symbol != Symbol::default() && symbol.0 & Symbol::TO_BE_READ == 0 {
            self.take(symbol.bits());
            return Some((symbol.advance(), symbol.value()));
        }
        let symbol = match symbol == Symbol::default() {
            true => table.long((self.held >> 48) as u32)?,
            false => symbol,
        };
        let (bits, size) = (symbol.bits(), symbol.value() as u32);
        // In two steps, as none of 64 bits is no step that there is.
        let value = (self.held << (bits - size) >> 1 >> (63 - size)) as u32;
        self.take(bits);
        Some((symbol.advance(), extended(value, size)))
    }

    /// Passes over what follows a block's first coefficient; `None` where that is no whole block.
    #[inline(always)]
    pub(super) fn skip(&mut self, table: &Table) -> Option<()> {
        let mut next = 1;
        loop {
            self.refill();
            for _ in 0..2 {
                let run = table.runs.as_ref().map(|runs| runs[self.looked_up()]);
                // What is joined may reach into the block that follows: then one by one.
                match run {
                    Some(run) if run.bits() > 0 && (next + run.advance()) % END < 64 => {
                        self.take(run.bits());
                        next += run.advance();
                    }
                    _ => next += self.symbol(table)?.0,
                }
                if next >= 64 {
                    return (next == 64 || next >= END).then_some(());
                }
            }
        }
    }

    /// Whether all bits were read but those that fill the last byte, and none that is not there.
    pub(super) fn are_spent(&self) -> bool {
        let there = 8 * (self.bytes.len() - PADDING.len()) as u64;
        let read = 8 * self.at as u64 - u64::from(self.count);
        read <= there && there - read < 8
    }
}
