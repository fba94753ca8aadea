//! Places: where a record stands, in the present journal or in one of an earlier life of this terminal.
//!
//! In the present journal a place is the position. A place in an earlier journal has the top bit set and names the life
//! and the position there, so that it fits wherever a position does: on disk it is a negative number, before every
//! position of the present journal and in the order in which things happened. Not here: what an earlier life's records
//! still mean (`past`), or how a life ends (`succession`).

use counterfoil_protocol::id::{EventId, IncarnationId};
use rusqlite::{Connection, params};

use crate::error::{CommandError, StorageError};
use crate::store::{self, values};
use crate::till::Till;

const PAST: u64 = 1 << 63;
/// Positions of one journal; a till that writes one a second gets there after half a million years.
const POSITION_BITS: u32 = 44;

/// Before every record of every life.
pub(crate) const BEFORE_ALL: u64 = PAST;

/// The place of a record of an earlier life.
pub(crate) fn in_life(life: u64, position: u64) -> u64 {
    PAST | life << POSITION_BITS | position
}

/// Life and position of a place in an earlier journal; `None`: it is a position of the present one.
pub(crate) fn past(place: u64) -> Option<(u64, u64)> {
    let bits = place & !PAST;
    (place != bits).then_some((bits >> POSITION_BITS, bits & ((1 << POSITION_BITS) - 1)))
}

/// Where a record is named by a life that may have ended: again in the present journal, else in that earlier one.
pub(crate) fn find(conn: &Connection, present: IncarnationId, named: EventId) -> Result<Option<u64>, StorageError> {
    if named.position == 0 || named.position >> POSITION_BITS != 0 {
        return Ok(None);
    }
    if named.incarnation == present {
        return Ok(Some(named.position));
    }
    // A record that was written again more than once is followed from life to life.
    let sql = "WITH RECURSIVE step (here, position) AS (\
               SELECT here, NULL FROM again WHERE incarnation = ?1 AND position = ?2 UNION \
               SELECT a.here, NULL FROM step s JOIN past_life l ON s.here < 0 AND l.number = ((s.here >> 44) & ?3) \
               JOIN again a ON a.incarnation = l.incarnation AND a.position = (s.here & ?4)) \
               SELECT max(here), (SELECT number FROM past_life WHERE incarnation = ?1) FROM step";
    let masks = [PAST >> POSITION_BITS, 1 << POSITION_BITS].map(|end| values::signed(end - 1));
    let found = store::optional(
        conn,
        "looking for a record of an earlier life",
        sql,
        params![named.incarnation.0, values::signed(named.position), masks[0], masks[1]],
        |row| match row.get::<_, Option<i64>>(0)? {
            Some(_) => values::count(row, 0).map(Some),
            None if row.get::<_, Option<i64>>(1)?.is_some() => {
                Ok(Some(in_life(values::count(row, 1)?, named.position)))
            }
            None => Ok(None),
        },
    )?;
    Ok(found.flatten())
}

impl Till {
    /// Where a record stands that an id names, also by the id it had in an earlier life; `None`: no such journal here.
    pub(crate) fn place_of(&self, named: EventId) -> Result<Option<u64>, StorageError> {
        find(&self.value, self.incarnation, named)
    }

    /// The id of the record at a place.
    pub(crate) fn event_at(&self, place: u64) -> Result<EventId, CommandError> {
        let Some((life, position)) = past(place) else {
            return Ok(EventId { incarnation: self.incarnation, position: place });
        };
        let found = store::optional(
            &self.value,
            "reading an earlier life",
            "SELECT incarnation FROM past_life WHERE number = ?1",
            [values::signed(life)],
            |row| values::incarnation(row, 0),
        )?;
        let incarnation = found.ok_or_else(|| CommandError::damaged(format!("life {life} is named and missing")))?;
        Ok(EventId { incarnation, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_as_things_happened() {
        let order = [in_life(1, 1), in_life(1, 2), in_life(2, 1), in_life(2, 1 << 43), 1, 2];
        let on_disk: Vec<i64> = order.into_iter().map(values::signed).collect();
        assert!(on_disk.is_sorted_by(|a, b| a < b), "{on_disk:?}");
        assert_eq!(order.map(past), [Some((1, 1)), Some((1, 2)), Some((2, 1)), Some((2, 1 << 43)), None, None]);
        assert!(on_disk[..4].iter().all(|place| *place < 0));
    }
}
