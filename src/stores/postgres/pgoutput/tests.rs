use super::*;
use proptest::prelude::*;

/// Writes messages as the server does, so that decoding can be compared with what was meant.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn tag(tag: u8) -> Self {
        Self(vec![tag])
    }
    fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }
    fn u16(mut self, v: u16) -> Self {
        self.0.extend(v.to_be_bytes());
        self
    }
    fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_be_bytes());
        self
    }
    fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_be_bytes());
        self
    }
    fn text(mut self, v: &str) -> Self {
        self.0.extend(v.as_bytes());
        self.0.push(0);
        self
    }
    fn tuple(mut self, fields: &[Field<'_>]) -> Self {
        self = self.u16(u16::try_from(fields.len()).unwrap());
        for field in fields {
            self = match field {
                Field::Null => self.u8(b'n'),
                Field::Unchanged => self.u8(b'u'),
                Field::Text(t) => {
                    let mut w = self.u8(b't').u32(u32::try_from(t.len()).unwrap());
                    w.0.extend(t.as_bytes());
                    w
                }
            };
        }
        self
    }
}

fn samples() -> Vec<Vec<u8>> {
    let row = [Field::Text("7"), Field::Null, Field::Unchanged, Field::Text("주문")];
    vec![
        Writer::tag(b'B').u64(0x10).u64(5).u32(77).0,
        Writer::tag(b'C').u8(0).u64(0x10).u64(0x40).u64(5).0,
        Writer::tag(b'O').u64(0).text("godwit_back").0,
        Writer::tag(b'R').u32(9).text("public").text("T").u8(b'f').u16(1).u8(1).text("id").u32(23).u32(u32::MAX).0,
        Writer::tag(b'Y').u32(9).text("public").text("mood").0,
        Writer::tag(b'I').u32(9).u8(b'N').tuple(&row).0,
        Writer::tag(b'U').u32(9).u8(b'N').tuple(&row).0,
        Writer::tag(b'U').u32(9).u8(b'K').tuple(&row).u8(b'N').tuple(&row).0,
        Writer::tag(b'U').u32(9).u8(b'O').tuple(&row).u8(b'N').tuple(&row).0,
        Writer::tag(b'D').u32(9).u8(b'O').tuple(&row).0,
        Writer::tag(b'T').u32(2).u8(1).u32(9).u32(10).0,
        Writer(Writer::tag(b'M').u8(1).u64(0x99).text("godwit").u32(2).0.into_iter().chain(*b"hi").collect()).0,
    ]
}

#[test]
fn every_kind_is_read() {
    let samples = samples();
    let decoded: Vec<_> = samples.iter().map(|bytes| decode(bytes).unwrap()).collect();
    assert_eq!(decoded[0], Message::Begin { final_lsn: 0x10, committed_at_us: 5, xid: 77 });
    assert_eq!(decoded[1], Message::Commit { end_lsn: 0x40, committed_at_us: 5 });
    assert_eq!(decoded[2], Message::Origin { name: "godwit_back" });
    let Message::Relation(relation) = &decoded[3] else { panic!("not a relation") };
    assert!(relation.full_identity && relation.columns[0].key && relation.columns[0].modifier == -1);
    assert_eq!(decoded[4], Message::Type);
    let row = vec![Field::Text("7"), Field::Null, Field::Unchanged, Field::Text("주문")];
    assert_eq!(decoded[5], Message::Insert { relation: 9, new: row.clone() });
    assert_eq!(decoded[6], Message::Update { relation: 9, old: None, new: row.clone() });
    assert_eq!(decoded[7], Message::Update { relation: 9, old: Some(OldImage::Key(row.clone())), new: row.clone() });
    assert_eq!(decoded[8], Message::Update { relation: 9, old: Some(OldImage::Row(row.clone())), new: row.clone() });
    assert_eq!(decoded[9], Message::Delete { relation: 9, old: OldImage::Row(row) });
    assert_eq!(decoded[10], Message::Truncate { relations: vec![9, 10] });
    assert_eq!(decoded[11], Message::Custom { lsn: 0x99, prefix: "godwit", content: b"hi" });
}

#[test]
fn truncated_and_lengthened_messages_are_refused() {
    for bytes in samples() {
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{:?} cut at {end}", &bytes);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_messages_are_survived(which in 0usize..12, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = samples()[which].clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }

    #[test]
    fn rows_round_trip(fields in proptest::collection::vec(proptest::option::of("\\PC{0,12}"), 0..20)) {
        let row: Vec<Field<'_>> = fields.iter().map(|f| f.as_deref().map_or(Field::Null, Field::Text)).collect();
        let bytes = Writer::tag(b'I').u32(1).u8(b'N').tuple(&row).0;
        prop_assert_eq!(decode(&bytes).unwrap(), Message::Insert { relation: 1, new: row });
    }
}
