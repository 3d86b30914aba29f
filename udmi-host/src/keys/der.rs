//! As much of DER as is needed to tell the forms of a private key apart, to wrap one in another, and to find
//! the public key in it.

use zeroize::Zeroizing;

use crate::sign;

pub(crate) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
const PARAMETERS: u8 = 0xa0;
const PUBLIC_KEY: u8 = 0xa1;

/// The object identifier rsaEncryption with its NULL parameter.
const RSA_ALGORITHM: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 34];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The outer form of a DER document that may be a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// RSA key in its own form.
    Pkcs1,
    /// Elliptic curve key in its own form.
    Sec1,
    /// Any key with its algorithm named.
    Pkcs8,
    /// PKCS#8 under a pass phrase.
    EncryptedPkcs8,
}

/// The algorithm a PKCS#8 document names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa,
    P256,
    P384,
    Ed25519,
    Other,
}

/// Tells the form by its first fields, or `None` if it is none of them.
pub(super) fn form(document: &[u8]) -> Option<Form> {
    let (SEQUENCE, fields, rest) = split(document)? else { return None };
    if !rest.is_empty() {
        return None;
    }
    let (first, version, after) = split(fields)?;
    let (second, _, _) = split(after)?;
    match (first, version, second) {
        (SEQUENCE, _, OCTET_STRING) => Some(Form::EncryptedPkcs8),
        (INTEGER, [0], INTEGER) => Some(Form::Pkcs1),
        (INTEGER, [1], OCTET_STRING) => Some(Form::Sec1),
        (INTEGER, [0 | 1], SEQUENCE) => Some(Form::Pkcs8),
        _ => None,
    }
}

/// The algorithm of a PKCS#8 document, or `None` if it is not one.
pub(super) fn algorithm(pkcs8: &[u8]) -> Option<Algorithm> {
    let (SEQUENCE, fields, _) = split(pkcs8)? else { return None };
    let (INTEGER, _, fields) = split(fields)? else { return None };
    let (SEQUENCE, algorithm, _) = split(fields)? else { return None };
    let (OBJECT_IDENTIFIER, identifier, parameters) = split(algorithm)? else { return None };
    Some(match identifier {
        RSA => Algorithm::Rsa,
        ED25519 => Algorithm::Ed25519,
        EC_PUBLIC_KEY => match split(parameters)? {
            (OBJECT_IDENTIFIER, P256, _) => Algorithm::P256,
            (OBJECT_IDENTIFIER, P384, _) => Algorithm::P384,
            _ => Algorithm::Other,
        },
        _ => Algorithm::Other,
    })
}

/// A PKCS#1 RSA key as PKCS#8, byte for byte what `openssl pkcs8 -topk8` writes.
pub(super) fn wrap_rsa(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    wrap(RSA_ALGORITHM, pkcs1)
}

/// A SEC1 key as PKCS#8, or `None` if it does not name its curve.
///
/// PKCS#8 names the curve in the algorithm, so it is left out of the inner key, as OpenSSL does: the broker
/// password is a hash of these very bytes.
pub(super) fn wrap_sec1(sec1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (SEQUENCE, fields, _) = split(sec1)? else { return None };
    let mut kept = Zeroizing::new(Vec::with_capacity(fields.len()));
    let mut curve = None;
    let mut rest = fields;
    while !rest.is_empty() {
        let (tag, content, after) = split(rest)?;
        if tag == PARAMETERS {
            curve = Some(content);
        } else {
            kept.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    let mut algorithm = element(OBJECT_IDENTIFIER, EC_PUBLIC_KEY).to_vec();
    algorithm.extend_from_slice(curve?);
    Some(wrap(&algorithm, &element(SEQUENCE, &kept)))
}

/// The public key in a PKCS#8 document as SubjectPublicKeyInfo, or `None` if there is none in it.
pub(super) fn public_key(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let (SEQUENCE, fields, _) = split(pkcs8)? else { return None };
    let (INTEGER, _, fields) = split(fields)? else { return None };
    let (SEQUENCE, parameters, fields) = split(fields)? else { return None };
    let (OCTET_STRING, key, _) = split(fields)? else { return None };
    let bits = match algorithm(pkcs8)? {
        Algorithm::Rsa => rsa_public_key(key)?,
        Algorithm::P256 | Algorithm::P384 => ec_public_key(key)?,
        Algorithm::Ed25519 => [&[0], sign::ed25519_public_key(pkcs8)?.as_slice()].concat(),
        Algorithm::Other => return None,
    };
    let mut fields = element(SEQUENCE, parameters);
    fields.extend_from_slice(&element(BIT_STRING, &bits));
    Some(element(SEQUENCE, &fields).to_vec())
}

/// Modulus and exponent, which follow the version in PKCS#1.
fn rsa_public_key(pkcs1: &[u8]) -> Option<Vec<u8>> {
    let (SEQUENCE, fields, _) = split(pkcs1)? else { return None };
    let (INTEGER, _, after_version) = split(fields)? else { return None };
    let (INTEGER, _, after_modulus) = split(after_version)? else { return None };
    let (INTEGER, _, after_exponent) = split(after_modulus)? else { return None };
    let both = &after_version[..after_version.len() - after_exponent.len()];
    Some([&[0], element(SEQUENCE, both).as_slice()].concat())
}

/// The point, which SEC1 may leave out.
fn ec_public_key(sec1: &[u8]) -> Option<Vec<u8>> {
    let (SEQUENCE, mut rest, _) = split(sec1)? else { return None };
    while !rest.is_empty() {
        let (tag, content, after) = split(rest)?;
        if tag == PUBLIC_KEY {
            let (BIT_STRING, bits, _) = split(content)? else { return None };
            return Some(bits.to_vec());
        }
        rest = after;
    }
    None
}

/// The length in bits of the modulus in the SubjectPublicKeyInfo of an RSA key.
pub(super) fn modulus_bits(public_key: &[u8]) -> Option<usize> {
    let (SEQUENCE, fields, _) = split(public_key)? else { return None };
    let (SEQUENCE, _, fields) = split(fields)? else { return None };
    let (BIT_STRING, bits, _) = split(fields)? else { return None };
    let (SEQUENCE, fields, _) = split(bits.get(1..)?)? else { return None };
    let (INTEGER, modulus, _) = split(fields)? else { return None };
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

fn wrap(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut fields = element(INTEGER, &[0]);
    fields.extend_from_slice(&element(SEQUENCE, algorithm));
    fields.extend_from_slice(&element(OCTET_STRING, key));
    element(SEQUENCE, &fields)
}

/// One element: tag, length, content.
fn element(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut encoded = Zeroizing::new(Vec::with_capacity(content.len() + 2 + significant.len()));
    encoded.push(tag);
    if content.len() < 0x80 {
        encoded.push(content.len() as u8);
    } else {
        encoded.push(0x80 | significant.len() as u8);
        encoded.extend_from_slice(significant);
    }
    encoded.extend_from_slice(content);
    encoded
}

/// The first element of `input` and what follows it: (tag, content, rest).
pub(crate) fn split(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        // Four length bytes are more than any key file may hold.
        let count = usize::from(*first & 0x7f);
        if count == 0 || count > 4 || count > rest.len() {
            return None;
        }
        let (bytes, rest) = rest.split_at(count);
        (bytes.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    if length > rest.len() {
        return None;
    }
    let (content, rest) = rest.split_at(length);
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_and_read_in_every_size() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let encoded = element(OCTET_STRING, &content);
            assert_eq!(split(&encoded), Some((OCTET_STRING, content.as_slice(), [].as_slice())), "{length}");
        }
    }

    #[test]
    fn a_cut_or_indefinite_length_is_refused() {
        for broken in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x30, 2, 1], &[0x30, 0x82, 1]]
        {
            assert_eq!(split(broken), None, "{broken:?}");
            assert_eq!(form(broken), None, "{broken:?}");
            assert_eq!(algorithm(broken), None, "{broken:?}");
            assert!(wrap_sec1(broken).is_none(), "{broken:?}");
            assert_eq!(public_key(broken), None, "{broken:?}");
            assert_eq!(modulus_bits(broken), None, "{broken:?}");
        }
    }
}
