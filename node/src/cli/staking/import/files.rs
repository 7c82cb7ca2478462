//! Raw blocks in files: one after another, or framed as bitcoind's `blk*.dat` have them (magic,
//! length, block), which it may also have masked with a key (`xor.dat`).
//!
//! Always holds: at most two blocks' bytes and the decoded block are in memory; a block that is
//! given on is whole: it decodes, meets its own target, and its merkle root and witness commitment
//! are those of its transactions.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use bitcoin::{Block, consensus::encode, p2p::Magic};

use super::error::ImportError;

/// No block is larger: its weight is at least its size.
const MOST: usize = 4_000_000;
/// Magic and length.
const FRAME: usize = 8;
const MAGICS: [Magic; 5] =
    [Magic::BITCOIN, Magic::TESTNET3, Magic::TESTNET4, Magic::SIGNET, Magic::REGTEST];
/// The file with the key of `blk*.dat` files.
const KEY_FILE: &str = "xor.dat";

/// Where a block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) size: usize,
}

/// Files of blocks, in the order of their names.
#[derive(Debug)]
pub(super) struct Files {
    files: Vec<(PathBuf, Mask)>,
    /// The file read last.
    open: Option<(usize, File)>,
}

/// What the bytes of a file are xored with, over and over; zeros where they are plain.
type Mask = [u8; 8];

fn unmask(mask: Mask, offset: u64, bytes: &mut [u8]) {
    // A remainder of 8 fits any type.
    let at = (offset % 8) as usize;
    for (byte, mask) in bytes.iter_mut().zip(mask.iter().cycle().skip(at)) {
        *byte ^= mask;
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ImportError {
    |source| ImportError::Io { path: path.to_owned(), source }
}

impl Files {
    /// The file itself, or what a folder holds: all but hidden files, folders, and what bitcoind
    /// keeps beside its blocks.
    pub(super) fn find(path: &Path) -> Result<Self, ImportError> {
        let failed = failed(path);
        let (folder, mut paths) = if std::fs::metadata(path).map_err(&failed)?.is_dir() {
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(path).map_err(&failed)? {
                let path = entry.map_err(&failed)?.path();
                if path.is_file() && !beside(&path) {
                    paths.push(path);
                }
            }
            (path, paths)
        } else {
            (path.parent().unwrap_or(Path::new(".")), vec![path.to_owned()])
        };
        if paths.is_empty() {
            return Err(ImportError::Nothing(path.to_owned()));
        }
        paths.sort();
        let mask = mask(folder)?;
        let masked = |path: PathBuf| {
            let mask = if is_blk(&path) { mask } else { Mask::default() };
            (path, mask)
        };
        Ok(Self { files: paths.into_iter().map(masked).collect(), open: None })
    }

    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Goes through all blocks of a file.
    pub(super) fn scan(
        &self,
        file: usize,
        mut take: impl FnMut(Place, Block),
    ) -> Result<(), ImportError> {
        let Some((path, mask)) = self.files.get(file) else { return Ok(()) };
        let mut window = Window::open(path, *mask)?;
        let magic: Option<[u8; 4]> = window.at_least(4)?.get(..4).and_then(|it| it.try_into().ok());
        let framed =
            magic.filter(|magic| is_blk(path) || MAGICS.contains(&Magic::from_bytes(*magic)));
        loop {
            if window.at_least(1)?.is_empty() {
                return Ok(());
            }
            let limit = match framed {
                // bitcoind makes its files larger ahead of time.
                Some(_) if window.is_padding()? => return Ok(()),
                Some(magic) => window.frame(magic)?,
                None => MOST,
            };
            let bytes = window.at_least(limit)?;
            let bytes = &bytes[..bytes.len().min(limit)];
            let (block, size) = encode::deserialize_partial::<Block>(bytes)
                .map_err(|e| window.bad(format!("not a block, or one cut short: {e}")))?;
            if framed.is_some() && size != limit {
                let what = format!("a block of {size} bytes in a frame of {limit}");
                return Err(window.bad(what));
            }
            whole(&block).map_err(|what| window.bad(what))?;
            let place = Place { file, offset: window.offset, size };
            window.pass(size);
            take(place, block);
        }
    }

    /// A block that a scan found.
    pub(super) fn read(&mut self, place: Place) -> Result<Block, ImportError> {
        let Some((path, mask)) = self.files.get(place.file) else { return Err(ImportError::Ended) };
        let failed = failed(path);
        if self.open.as_ref().is_none_or(|(file, _)| *file != place.file) {
            self.open = Some((place.file, File::open(path).map_err(&failed)?));
        }
        let Some((_, file)) = &mut self.open else { return Err(ImportError::Ended) };
        file.seek(SeekFrom::Start(place.offset)).map_err(&failed)?;
        let mut bytes = vec![0; place.size];
        file.read_exact(&mut bytes).map_err(&failed)?;
        unmask(*mask, place.offset, &mut bytes);
        encode::deserialize(&bytes).map_err(|e| {
            let what = format!("not the block that was there a moment ago: {e}");
            ImportError::Malformed { path: path.clone(), offset: place.offset, what }
        })
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_blk(path: &Path) -> bool {
    let digits = name(path).strip_prefix("blk").and_then(|rest| rest.strip_suffix(".dat"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Not blocks.
fn beside(path: &Path) -> bool {
    let name = name(path);
    name.starts_with('.') || name == KEY_FILE || (name.starts_with("rev") && name.ends_with(".dat"))
}

fn mask(folder: &Path) -> Result<Mask, ImportError> {
    let path = folder.join(KEY_FILE);
    if !path.is_file() {
        return Ok(Mask::default());
    }
    let bytes = std::fs::read(&path).map_err(failed(&path))?;
    bytes.try_into().map_err(|_| ImportError::Key(path))
}

/// What is wrong with a block that decodes.
fn whole(block: &Block) -> Result<(), String> {
    let hash = block.block_hash();
    let wrong = if block.header.validate_pow(block.header.target()).is_err() {
        "does not meet its own target"
    } else if !block.check_merkle_root() {
        "has another merkle root than its transactions"
    } else if !block.check_witness_commitment() {
        "has another witness commitment than its transactions"
    } else {
        return Ok(());
    };
    Err(format!("block {hash} {wrong}: the file is damaged"))
}

/// A file, read ahead by a bounded number of bytes.
struct Window<'f> {
    path: &'f Path,
    mask: Mask,
    file: File,
    /// Where in the file `bytes[at]` is.
    offset: u64,
    bytes: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'f> Window<'f> {
    fn open(path: &'f Path, mask: Mask) -> Result<Self, ImportError> {
        let file = File::open(path).map_err(failed(path))?;
        Ok(Self { path, mask, file, offset: 0, bytes: Vec::new(), at: 0, ended: false })
    }

    /// What comes next: so many bytes and more, or all that is left.
    fn at_least(&mut self, wanted: usize) -> Result<&[u8], ImportError> {
        if self.bytes.len() - self.at < wanted && !self.ended {
            self.bytes.drain(..self.at);
            self.at = 0;
            // Twice, so that small blocks are not moved about for each one.
            let (held, room) = (self.bytes.len(), 2 * MOST - self.bytes.len());
            let read = (&mut self.file).take(room as u64).read_to_end(&mut self.bytes);
            self.ended = read.map_err(failed(self.path))? < room;
            unmask(self.mask, self.offset + held as u64, &mut self.bytes[held..]);
        }
        Ok(&self.bytes[self.at..])
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.offset += bytes as u64;
    }

    /// Takes the magic and the length of a block.
    fn frame(&mut self, magic: [u8; 4]) -> Result<usize, ImportError> {
        let found = self.at_least(FRAME)?;
        let Some(([a, b, c, d], [e, f, g, h])) = found
            .first_chunk::<FRAME>()
            .map(|[a, b, c, d, e, f, g, h]| ([*a, *b, *c, *d], [*e, *f, *g, *h]))
        else {
            return Err(self.bad("the file ends within a frame".into()));
        };
        if [a, b, c, d] != magic {
            let [found, first] = [[a, b, c, d], magic].map(hex::encode);
            return Err(self.bad(format!("expected magic {first} as at the start, got {found}")));
        }
        let size = u32::from_le_bytes([e, f, g, h]) as usize;
        if size > MOST {
            return Err(self.bad(format!("a block of {size} bytes; at most {MOST} are allowed")));
        }
        self.pass(FRAME);
        if self.at_least(size)?.len() < size {
            return Err(self.bad(format!("the file ends within a block of {size} bytes")));
        }
        Ok(size)
    }

    /// Whether all that is left is zeros, unmasked as they are.
    fn is_padding(&mut self) -> Result<bool, ImportError> {
        let mut zeros = [0; FRAME];
        unmask(self.mask, self.offset, &mut zeros);
        if !self.at_least(FRAME)?.iter().zip(zeros).all(|(byte, zero)| *byte == zero) {
            return Ok(false);
        }
        loop {
            let left = self.at_least(MOST)?.len();
            if left == 0 {
                return Ok(true);
            }
            let mut bytes = self.bytes[self.at..].to_vec();
            unmask(self.mask, self.offset, &mut bytes);
            if bytes.iter().any(|byte| *byte != 0) {
                return Err(self.bad("zeros, and something behind them".into()));
            }
            self.pass(left);
        }
    }

    fn bad(&self, what: String) -> ImportError {
        ImportError::Malformed { path: self.path.to_owned(), offset: self.offset, what }
    }
}
