//! Reads the kernel's own type information (BTF) as far as the programs' needs go: where a field lies, how
//! many arguments a tracepoint has, what an enumeration's values are called.
//!
//! The format is `include/uapi/linux/btf.h`. The bytes come from the kernel, but a damaged or hostile file
//! must not do more than fail, so nothing is indexed unchecked.

use std::{fs, io, path::PathBuf};

/// The running kernel's BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_TYPE_TAG: u32 = 18;
/// Modifiers and anonymous members nest a few levels; more is a loop.
const DEPTH_MAX: u32 = 32;

/// Why a question to BTF has no answer.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("cannot read the kernel's type information {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no BTF that this version understands.
    #[error("the kernel's type information is not understood: {0}")]
    Malformed(&'static str),
    /// The kernel does not have it.
    #[error("this kernel has no `{0}`")]
    Missing(String),
}

/// A field of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Bytes from the start of the outermost structure.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// Parsed BTF: the bytes, and where each type starts.
#[derive(Debug)]
pub struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Offset of type N + 1 in `types`.
    starts: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    info: u32,
    /// Size, or the type that this one is made of.
    size_or_type: u32,
}

impl Type {
    fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    fn vlen(self) -> usize {
        (self.info & 0xffff) as usize
    }

    fn has_bitfields(self) -> bool {
        self.info >> 31 == 1
    }

    /// Bytes after the common header.
    fn tail_len(self) -> Option<usize> {
        Some(match self.kind() {
            1 | 14 | 17 => 4,
            KIND_ARRAY => 12,
            KIND_STRUCT | KIND_UNION | 15 | 19 => self.vlen() * 12,
            KIND_ENUM | KIND_FUNC_PROTO => self.vlen() * 8,
            KIND_PTR | 7..=12 | 16 | KIND_TYPE_TAG => 0,
            _ => return None,
        })
    }
}

impl Btf {
    /// Reads the running kernel's BTF.
    ///
    /// # Errors
    /// When the file is absent (a kernel without CONFIG_DEBUG_INFO_BTF), unreadable or malformed.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        let unreadable = |source| BtfError::Unreadable { path: VMLINUX.into(), source };
        Self::parse(&fs::read(VMLINUX).map_err(unreadable)?)
    }

    /// Parses BTF of this machine's byte order.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let malformed = BtfError::Malformed;
        let magic = bytes.get(..2).ok_or(malformed("too short"))?;
        if magic != MAGIC.to_ne_bytes() {
            return Err(malformed("wrong magic number or byte order"));
        }
        let word = |at| u32_at(bytes, at).ok_or(malformed("header is cut off"));
        let header = word(4)? as usize;
        let section = |offset: u32, len: u32| {
            let start = header.checked_add(offset as usize)?;
            bytes.get(start..start.checked_add(len as usize)?)
        };
        let types = section(word(8)?, word(12)?).ok_or(malformed("types are cut off"))?;
        let strings = section(word(16)?, word(20)?).ok_or(malformed("strings are cut off"))?;
        let mut btf = Self { types: types.to_vec(), strings: strings.to_vec(), starts: Vec::new() };
        btf.index()?;
        Ok(btf)
    }

    fn index(&mut self) -> Result<(), BtfError> {
        let mut at = 0;
        while at < self.types.len() {
            let ty = self.type_at(at).ok_or(BtfError::Malformed("a type is cut off"))?;
            let tail = ty.tail_len().ok_or(BtfError::Malformed("a kind of type is unknown"))?;
            self.starts.push(at);
            at += 12 + tail;
        }
        Ok(())
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        let word = |offset| u32_at(&self.types, at + offset);
        Some(Type { at, name: word(0)?, info: word(4)?, size_or_type: word(8)? })
    }

    fn by_id(&self, id: u32) -> Option<Type> {
        let at = self.starts.get((id as usize).checked_sub(1)?)?;
        self.type_at(*at)
    }

    fn name(&self, offset: u32) -> &[u8] {
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn named(&self, kind: u32, name: &str) -> Option<Type> {
        let mut types = self.starts.iter().filter_map(|at| self.type_at(*at));
        types.find(|ty| ty.kind() == kind && self.name(ty.name) == name.as_bytes())
    }

    /// Where a field lies: `field("sock", "__sk_common.skc_family")`. Members of anonymous structures and
    /// unions are found by their own name, as in C.
    ///
    /// # Errors
    /// When the structure or the field does not exist, or is a bit field.
    pub fn field(&self, structure: &str, path: &str) -> Result<Field, BtfError> {
        let missing = || BtfError::Missing(format!("{structure}.{path}"));
        let mut ty = self.named(KIND_STRUCT, structure).ok_or_else(missing)?;
        let mut field = Field { offset: 0, size: 0 };
        for name in path.split('.') {
            let (bits, id) = self.member(ty, name.as_bytes(), 0).ok_or_else(missing)?;
            if bits % 8 != 0 {
                return Err(missing());
            }
            field.offset += bits / 8;
            field.size = self.size(id, 0).ok_or_else(missing)?;
            ty = self.bare(id).ok_or_else(missing)?;
        }
        Ok(field)
    }

    /// Where a flag lies, a `bool` or a bit field of one bit: its byte's offset from the start of the structure, and
    /// its bits in that byte.
    ///
    /// # Errors
    /// When the structure has no such flag.
    pub fn flag(&self, structure: &str, name: &str) -> Result<(u32, u32), BtfError> {
        if let Ok(Field { offset, size: 1 }) = self.field(structure, name) {
            return Ok((offset, 0xff));
        }
        let missing = || BtfError::Missing(format!("{structure}.{name}"));
        let ty = self.named(KIND_STRUCT, structure).filter(|ty| ty.has_bitfields()).ok_or_else(missing)?;
        let bit = (0..ty.vlen()).find_map(|n| {
            let word = |offset| u32_at(&self.types, ty.at + 12 + n * 12 + offset);
            let place = word(8)?;
            (self.name(word(0)?) == name.as_bytes() && place >> 24 == 1).then_some(place & 0xff_ffff)
        });
        let bit = bit.ok_or_else(missing)?;
        Ok((bit / 8, 1 << (bit % 8)))
    }

    /// Bit offset and type of a member, looking into anonymous ones.
    fn member(&self, ty: Type, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        if !matches!(ty.kind(), KIND_STRUCT | KIND_UNION) || depth > DEPTH_MAX {
            return None;
        }
        for n in 0..ty.vlen() {
            let word = |offset| u32_at(&self.types, ty.at + 12 + n * 12 + offset);
            let (member, id, mut bits) = (word(0)?, word(4)?, word(8)?);
            if ty.has_bitfields() {
                if bits >> 24 != 0 {
                    continue;
                }
                bits &= 0xff_ffff;
            }
            if self.name(member) == name {
                return Some((bits, id));
            }
            if self.name(member).is_empty()
                && let Some((inner, id)) = self.member(self.bare(id)?, name, depth + 1)
            {
                return Some((bits.checked_add(inner)?, id));
            }
        }
        None
    }

    /// The type behind typedefs and qualifiers.
    fn bare(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH_MAX {
            let ty = self.by_id(id)?;
            match ty.kind() {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = ty.size_or_type;
                }
                _ => return Some(ty),
            }
        }
        None
    }

    fn size(&self, id: u32, depth: u32) -> Option<u32> {
        let ty = self.bare(id)?;
        match ty.kind() {
            KIND_PTR => Some(8),
            KIND_ARRAY if depth < DEPTH_MAX => {
                let count = u32_at(&self.types, ty.at + 20)?;
                self.size(u32_at(&self.types, ty.at + 12)?, depth + 1)?.checked_mul(count)
            }
            KIND_ARRAY => None,
            _ => Some(ty.size_or_type),
        }
    }

    /// Number of arguments of a tracepoint, from the typedef `btf_trace_NAME` of its probe function, whose
    /// first argument is the probe's own.
    ///
    /// # Errors
    /// When the tracepoint does not exist.
    pub fn tracepoint_args(&self, name: &str) -> Result<usize, BtfError> {
        let missing = || BtfError::Missing(format!("tracepoint {name}"));
        let typedef = self.named(KIND_TYPEDEF, &format!("btf_trace_{name}")).ok_or_else(missing)?;
        let pointer = self.bare(typedef.size_or_type).ok_or_else(missing)?;
        let function = self.bare(pointer.size_or_type).ok_or_else(missing)?;
        if function.kind() != KIND_FUNC_PROTO {
            return Err(missing());
        }
        function.vlen().checked_sub(1).ok_or_else(missing)
    }

    /// Values and names of an enumeration.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn enumerators(&self, name: &str) -> Result<Vec<(u32, String)>, BtfError> {
        let missing = || BtfError::Missing(format!("enum {name}"));
        let ty = self.named(KIND_ENUM, name).ok_or_else(missing)?;
        let mut found = Vec::with_capacity(ty.vlen());
        for n in 0..ty.vlen() {
            let word = |offset| u32_at(&self.types, ty.at + 12 + n * 8 + offset);
            let (name, value) = word(0).zip(word(4)).ok_or_else(missing)?;
            found.push((value, String::from_utf8_lossy(self.name(name)).into_owned()));
        }
        Ok(found)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?))
}
