//! Points into readings: those that lie side by side are read at once.

use super::codec::Table;
use super::point::Point;

/// A part of a table, and the points that lie in it by their place among those wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) unit: u8,
    pub(super) table: Table,
    pub(super) address: u16,
    pub(super) quantity: u16,
    pub(super) points: Vec<usize>,
}

/// Groups points that touch or overlap, up to what one request may ask for. Nothing between points is read: a unit
/// may refuse the whole reading for it.
pub(super) fn blocks<'a>(points: impl Iterator<Item = (usize, &'a Point)>) -> Vec<Block> {
    let mut points: Vec<_> = points.collect();
    points.sort_by_key(|(_, point)| (point.unit, point.table, point.address, point.quantity));
    let mut blocks: Vec<Block> = Vec::new();
    for (ix, point) in points {
        if let Some(block) = blocks.last_mut()
            && let Some(quantity) = joined(block, point)
        {
            block.quantity = quantity;
            block.points.push(ix);
            continue;
        }
        let Point { unit, table, address, quantity, .. } = *point;
        blocks.push(Block { unit, table, address, quantity, points: vec![ix] });
    }
    blocks
}

/// How large the block would be with the point, if it can be in it. The point begins no earlier than the block.
fn joined(block: &Block, point: &Point) -> Option<u16> {
    let end = u32::from(block.address) + u32::from(block.quantity);
    let touches = block.unit == point.unit && block.table == point.table && u32::from(point.address) <= end;
    let quantity = u16::try_from(end.max(point.end()) - u32::from(block.address)).ok()?;
    (touches && quantity <= point.table.most()).then_some(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(references: &[&str]) -> Vec<(u8, u16, u16, Vec<usize>)> {
        let points: Vec<_> =
            references.iter().map(|reference| Point::parse(reference, None).unwrap()).collect();
        blocks(points.iter().enumerate())
            .into_iter()
            .map(|block| (block.unit, block.address, block.quantity, block.points))
            .collect()
    }

    #[test]
    fn neighbours_are_read_at_once_and_gaps_are_not_read() {
        let found = plan(&["1/3/12", "1/3/10?type=INT32", "1/3/14", "1/3/10", "1/4/13", "2/3/13", "1/3/13"]);
        assert_eq!(found, [(1, 10, 5, vec![3, 1, 0, 6, 2]), (1, 13, 1, vec![4]), (2, 13, 1, vec![5])]);
        assert_eq!(plan(&["1/3/0", "1/3/2"]).len(), 2);
    }

    #[test]
    fn a_block_is_no_larger_than_a_request_may_ask_for() {
        let references: Vec<_> = (0..300).map(|address| format!("1/3/{address}")).collect();
        let references: Vec<_> = references.iter().map(String::as_str).collect();
        let sizes: Vec<_> = plan(&references).into_iter().map(|block| block.2).collect();
        assert_eq!(sizes, [125, 125, 50]);
        assert_eq!(plan(&["1/3/65535", "1/3/65534"]), [(1, 65_534, 2, vec![1, 0])]);
    }
}
