//! What the programs of the targets have in common.

/// One change in so many is left as it is.
const UNREPAIRED: u32 = 8;

/// Changes an input of so many octets and, mostly, makes lengths and the like in it fit again; tells its new size.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32, repair: fn(&mut Vec<u8>)) -> usize {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, most);
    if seed.is_multiple_of(UNREPAIRED) {
        return size;
    }
    let mut input = data.get(..size).unwrap_or_default().to_vec();
    repair(&mut input);
    match data.get_mut(..input.len()) {
        Some(place) => {
            place.copy_from_slice(&input);
            input.len()
        }
        None => size,
    }
}
