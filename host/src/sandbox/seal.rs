//! What tells native code that was made at this place from any other.
//!
//! Each entry of the compiled planners carries a MAC, over its name and its bytes. The key is made of random bytes in a
//! file beside the entries, and of the time at which anything about that file changed for the last time. Nobody can set
//! that time, and a copy has another: so what comes from another machine, out of a backup or from a build server's cache
//! is not taken for what was made here, even if the file with the key came along.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use layerwright_packer::CacheDir;
use sha2::Sha256;

/// The file with the key.
const FILE: &str = "key";

const RANDOM_BYTES: usize = 32;

/// Digits of a tag.
pub(super) const TAG_DIGITS: usize = 64;

/// Makes tags, and tells whether they are its own.
#[derive(Debug)]
pub(super) struct Seal {
    keyed: Hmac<Sha256>,
}

impl Seal {
    /// Reads the key of this place, after making it where there is none.
    pub(super) fn open(place: &CacheDir) -> io::Result<Self> {
        if let Some(seal) = Self::read(place)? {
            return Ok(seal);
        }
        // Too short, or for others to read: what it sealed is lost with it.
        place.remove(FILE);
        let mut random = [0; RANDOM_BYTES];
        fs_err::File::open("/dev/urandom")?.read_exact(&mut random)?;
        place.write_new(FILE, &random)?;
        // Not what was written, but what is there: another run may have been faster.
        Self::read(place)?.ok_or_else(|| io::Error::other("the key is gone as soon as it is written"))
    }

    fn read(place: &CacheDir) -> io::Result<Option<Self>> {
        let Some(file) = place.read(FILE) else { return Ok(None) };
        let mut key = Vec::new();
        (&file).take(RANDOM_BYTES as u64 + 1).read_to_end(&mut key)?;
        let metadata = file.metadata()?;
        if key.len() != RANDOM_BYTES || metadata.mode() & 0o077 != 0 {
            return Ok(None);
        }
        key.extend(metadata.ctime().to_le_bytes());
        key.extend(metadata.ctime_nsec().to_le_bytes());
        Ok(Some(Self { keyed: Hmac::new_from_slice(&key).expect("keys may have any length") }))
    }

    /// Returns the tag of an entry with this name and content.
    pub(super) fn tag(&self, name: &str, content: impl Read) -> io::Result<String> {
        Ok(HEXLOWER.encode(&self.mac(name, content)?.finalize().into_bytes()))
    }

    /// Whether the tag is that of an entry with this name and content.
    pub(super) fn holds(&self, tag: &str, name: &str, content: &File) -> bool {
        let tag = HEXLOWER.decode(tag.as_bytes());
        tag.is_ok_and(|tag| self.mac(name, content).is_ok_and(|mac| mac.verify_slice(&tag).is_ok()))
    }

    fn mac(&self, name: &str, mut content: impl Read) -> io::Result<Hmac<Sha256>> {
        let mut mac = self.keyed.clone();
        // So that no name goes over into the content.
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        // Small enough to stay in the processor's cache: fresh memory for 40 MB takes longer than all the rest.
        let mut buffer = vec![0; 128 << 10];
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(mac),
                read => mac.update(&buffer[..read]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use fs_err as fs;

    use super::*;

    fn tag(place: &CacheDir) -> String {
        Seal::open(place).unwrap().tag("name", &b"content"[..]).unwrap()
    }

    #[test]
    fn a_place_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let place = CacheDir::open(folder.path()).unwrap();
        let first = tag(&place);
        assert_eq!(first.len(), TAG_DIGITS);
        assert_eq!(tag(&place), first);
        let seal = Seal::open(&place).unwrap();
        assert_ne!(seal.tag("nam", &b"econtent"[..]).unwrap(), first);
        assert_ne!(seal.tag("name", &b"Content"[..]).unwrap(), first);
    }

    #[test]
    fn a_copy_of_the_key_is_another_key() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = tag(&CacheDir::open(here.path()).unwrap());
        // As archives are unpacked: content, permissions and time of modification are the same.
        let (from, to) = (here.path().join(FILE), there.path().join(FILE));
        fs::copy(&from, &to).unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        fs::OpenOptions::new().append(true).open(&to).unwrap().file().set_modified(modified).unwrap();
        assert_ne!(tag(&CacheDir::open(there.path()).unwrap()), first);
        assert_eq!(tag(&CacheDir::open(here.path()).unwrap()), first);
    }

    #[test]
    fn a_key_that_is_short_or_shown_to_others_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (place, file) = (CacheDir::open(folder.path()).unwrap(), folder.path().join(FILE));
        tag(&place);
        let spoilt: [&dyn Fn(); 3] =
            [&|| fs::write(&file, b"short").unwrap(), &|| fs::write(&file, [0; RANDOM_BYTES + 1]).unwrap(), &|| {
                fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
            }];
        for spoil in spoilt {
            let before = fs::read(&file).unwrap();
            spoil();
            tag(&place);
            assert!(fs::read(&file).unwrap() != before && fs::metadata(&file).unwrap().len() == RANDOM_BYTES as u64);
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
