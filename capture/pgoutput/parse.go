package pgoutput

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Parse reads one whole message: the payload of an XLogData frame, kind byte
// included. It allocates nothing but the room for more columns, or tables, than
// any message before had.
//
// The error wraps ErrMalformed, ErrUnknownKind or ErrStreaming. Kind is then zero
// and no member is valid.
func (m *Message) Parse(data []byte) error {
	m.Kind = 0
	if len(data) == 0 {
		return fmt.Errorf("parse replication message of 0 bytes: %w", ErrMalformed)
	}
	kind := Kind(data[0])
	c := cursor{rest: data[1:]}
	switch kind {
	case KindInsert:
		m.Row.parseInsert(&c)
	case KindBegin:
		m.Begin.parse(&c)
	case KindCommit:
		m.Commit.parse(&c)
	case KindUpdate:
		m.Row.parseUpdate(&c)
	case KindDelete:
		m.Row.parseDelete(&c)
	case KindTruncate:
		m.Truncate.parse(&c)
	case KindRelation:
		m.Relation.parse(&c)
	case KindType:
		m.Type.parse(&c)
	case KindOrigin:
		m.Origin.parse(&c)
	case KindLogical:
		m.Logical.parse(&c)
	case KindStreamAbort:
		m.StreamAbort.parse(&c)
	case kindStreamStart, kindStreamStop, kindStreamCommit:
		return fmt.Errorf("parse %s: %w", kind, ErrStreaming)
	default:
		return unknownKind(data[0])
	}
	if !c.done() {
		return c.err(kind.String(), len(data))
	}
	m.Kind = kind
	return nil
}

func (b *Begin) parse(c *cursor) {
	b.FinalLSN = pg.LSN(c.uint64())
	b.CommitTime = Timestamp(c.uint64())
	b.Xid = pg.Xid(c.uint32())
}

func (m *Commit) parse(c *cursor) {
	m.Flags = c.uint8()
	m.LSN = pg.LSN(c.uint64())
	m.EndLSN = pg.LSN(c.uint64())
	m.CommitTime = Timestamp(c.uint64())
}

func (o *Origin) parse(c *cursor) {
	o.CommitLSN = pg.LSN(c.uint64())
	o.Name = c.text()
}

// minRelationColumn is the length of a column with an empty name: flags, the
// name's zero byte, type and modifier.
const minRelationColumn = 1 + 1 + 4 + 4

func (r *Relation) parse(c *cursor) {
	r.OID = c.uint32()
	r.Namespace = c.text()
	r.Name = c.text()
	r.ReplicaIdentity = c.uint8()
	count := int(c.uint16())
	r.Columns = r.Columns[:0]
	if count > len(c.rest)/minRelationColumn {
		c.fail("promises more columns than it holds")
		return
	}
	r.Columns = slices.Grow(r.Columns, count)[:count]
	for i := range r.Columns {
		r.Columns[i] = RelationColumn{
			Flags:   c.uint8(),
			Name:    c.text(),
			TypeOID: c.uint32(),
			TypeMod: int32(c.uint32()),
		}
	}
}

func (t *Type) parse(c *cursor) {
	t.OID = c.uint32()
	t.Namespace = c.text()
	t.Name = c.text()
}

func (r *Row) parseInsert(c *cursor) {
	r.RelationOID = c.uint32()
	r.OldKind, r.Old = 0, r.Old[:0]
	r.parseNew(c, c.uint8())
}

func (r *Row) parseUpdate(c *cursor) {
	r.RelationOID = c.uint32()
	r.OldKind, r.Old = 0, r.Old[:0]
	mark := c.uint8()
	if kind := OldKind(mark); kind == OldKey || kind == OldRow {
		r.OldKind = kind
		r.Old = c.tuple(r.Old)
		mark = c.uint8()
	}
	r.parseNew(c, mark)
}

func (r *Row) parseDelete(c *cursor) {
	r.RelationOID = c.uint32()
	r.New = r.New[:0]
	r.OldKind = OldKind(c.uint8())
	if r.OldKind != OldKey && r.OldKind != OldRow {
		c.fail("old row of an unknown kind")
		return
	}
	r.Old = c.tuple(r.Old)
}

// parseNew reads the new values, in front of which mark stood.
func (r *Row) parseNew(c *cursor, mark byte) {
	r.New = r.New[:0]
	if mark != newRow {
		c.fail("no new row where one must be")
		return
	}
	r.New = c.tuple(r.New)
}

func (t *Truncate) parse(c *cursor) {
	count := c.uint32()
	t.Options = TruncateOptions(c.uint8())
	t.RelationOIDs = t.RelationOIDs[:0]
	if uint64(count) > uint64(len(c.rest)/4) {
		c.fail("promises more tables than it holds")
		return
	}
	t.RelationOIDs = slices.Grow(t.RelationOIDs, int(count))
	for range count {
		t.RelationOIDs = append(t.RelationOIDs, c.uint32())
	}
}

func (l *Logical) parse(c *cursor) {
	flags := c.uint8()
	if flags > 1 {
		c.fail("unknown flags")
		return
	}
	l.Transactional = flags == 1
	l.LSN = pg.LSN(c.uint64())
	l.Prefix = c.text()
	l.Content = c.sized()
}

func (a *StreamAbort) parse(c *cursor) {
	*a = StreamAbort{Xid: pg.Xid(c.uint32()), SubXid: pg.Xid(c.uint32())}
	if len(c.rest) == 0 {
		return
	}
	a.AbortLSN = pg.LSN(c.uint64())
	a.AbortTime = Timestamp(c.uint64())
}
