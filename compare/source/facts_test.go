package source

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// filler gives every field of a value, however deep, a value of its own.
type filler struct {
	t *testing.T
	n int64
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 17, 2, 1, int(f.n), time.FixedZone("", 3600))))
		return
	case func(txn.Driver, txn.Conn) pg.BranchID:
		v.Set(reflect.ValueOf(func(d txn.Driver, c txn.Conn) pg.BranchID { return pg.BranchID(int64(d)*1000 + int64(c)) }))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(f.n % 128)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(uint64(f.n % 256))
	case reflect.String:
		v.SetString(fmt.Sprintf("%s \"%d\" <é>", path, f.n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key, path)
			f.fill(value, path)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				f.t.Fatalf("%s.%s is not exported: it cannot be kept", path, v.Type().Field(i).Name)
			}
			f.fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	default:
		f.t.Fatalf("%s is a %s: evidence has no form for it", path, v.Type())
	}
}

// Every field of the facts and of the case comes back as it was, whatever fields
// there are: one that is added and not kept fails here.
func TestFactsSurvive(t *testing.T) {
	var full compare.Facts
	var asked compare.Case
	f := &filler{t: t}
	f.fill(reflect.ValueOf(&full).Elem(), "Facts")
	f.fill(reflect.ValueOf(&asked).Elem(), "Case")
	asked.Seed, full.Branches[0].System = 1<<64-1, 1<<64-1
	asked.Payload = compare.PayloadSums
	m, usual := newMemory()
	empty := compare.Facts{TableWorkers: []txn.Worker{}, Unresolved: map[txn.ID]string{}, Problems: []string{}}
	for name, want := range map[string]compare.Facts{"full": full, "none": {}, "empty": empty, "usual": usual} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(keptIn(t, asked, want, m))
			if err != nil {
				t.Fatal(err)
			}
			got := d.Facts()
			sameBranches(t, m, want, got)
			want.BranchOf, got.BranchOf = nil, nil
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("facts (-kept +read):\n%s", d)
			}
			if d := cmp.Diff(asked, d.Case()); d != "" {
				t.Errorf("case (-kept +read):\n%s", d)
			}
		})
	}
}

// sameBranches compares the branches of all connections: of those that a driver
// told of, and of those that only an entry names.
func sameBranches(t *testing.T, m *memory, want, got compare.Facts) {
	t.Helper()
	if (want.BranchOf == nil) != (got.BranchOf == nil) {
		t.Error("whether branches are known has changed")
	}
	if want.BranchOf == nil || got.BranchOf == nil {
		return
	}
	conns := map[connKey]bool{}
	for _, d := range want.Drivers {
		for _, c := range d.Connections {
			conns[connKey{d.ID, c.Conn()}] = true
		}
	}
	for _, r := range want.Reserves {
		for _, e := range m.entries[r.Worker] {
			conns[connKey{r.Driver, e.Conn}] = true
		}
	}
	if len(conns) < 2 {
		t.Fatalf("only the connections %v: this proves nothing", conns)
	}
	for at := range conns {
		if w, g := want.BranchOf(at.Driver, at.Conn), got.BranchOf(at.Driver, at.Conn); w != g {
			t.Errorf("connection %v: branch %d was kept, %d read", at, w, g)
		}
	}
}
