package verdict

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
)

// Each field of a finding is in its line, whatever fields there are.
func TestLineTellsAll(t *testing.T) {
	line := func(f compare.Finding) string {
		b, err := json.Marshal(lineOf(f))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	seen := map[string]string{line(compare.Finding{}): "no field"}
	var each func(v reflect.Value, path string, f *compare.Finding)
	each = func(v reflect.Value, path string, f *compare.Finding) {
		switch {
		case v.Type() == reflect.TypeFor[time.Time]():
			v.Set(reflect.ValueOf(time.Unix(5, 5)))
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				each(v.Field(i), path+"."+v.Type().Field(i).Name, f)
			}
			return
		case v.CanInt():
			v.SetInt(3)
		case v.CanUint():
			v.SetUint(3)
		case v.Kind() == reflect.String:
			v.SetString("words")
		default:
			t.Fatalf("%s is a %s: a line has no form for it", path, v.Type())
		}
		if other, same := seen[line(*f)]; same {
			t.Errorf("a line does not tell %s from %s", path, other)
		}
		seen[line(*f)] = path
		v.SetZero()
	}
	var f compare.Finding
	each(reflect.ValueOf(&f).Elem(), "Finding", &f)
	if len(seen) < 15 {
		t.Errorf("only %d fields were tried", len(seen))
	}
}

// A line does not depend on where it is written.
func TestLineIsOfNoZone(t *testing.T) {
	at := time.Unix(1795194121, 5)
	a, b := lineOf(compare.Finding{AckedAt: at.UTC()}), lineOf(compare.Finding{AckedAt: at.In(time.FixedZone("", 3600))})
	if a != b {
		t.Errorf("%v and %v", a, b)
	}
}

// Findings that are others, fewer or more than the kept ones are told apart from
// them, and the same are not.
func TestFindingsThatDiffer(t *testing.T) {
	lines := func(seqs string) (all []compare.Finding) {
		for _, c := range seqs {
			all = append(all, compare.Finding{Class: compare.Hole, Text: string(c)})
		}
		return all
	}
	for _, tc := range []struct{ kept, now, first string }{
		{"", "", ""}, {"abc", "abc", ""}, {"abc", "abd", "number 3"}, {"abc", "xyz", "number 1"},
		{"abc", "ab", "number 3"}, {"abc", "", "number 1"}, {"ab", "abc", "number 3"}, {"", "a", "number 1"}, {"abc", "bc", "number 1"},
	} {
		k := &keptFindings{}
		k.next, k.stop = iter.Pull2(func(yield func([]byte, error) bool) {
			for _, f := range lines(tc.kept) {
				b, err := json.Marshal(lineOf(f))
				if !yield(b, err) {
					return
				}
			}
		})
		for _, f := range lines(tc.now) {
			if err := k.meet(f); err != nil {
				t.Fatal(err)
			}
		}
		got, err := k.differ(int64(len(tc.kept)))
		k.stop()
		want := ""
		if tc.first != "" {
			want = fmt.Sprintf("%d now and %d then, ", len(tc.now), len(tc.kept))
		}
		if err != nil || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, tc.first) || (want == "") != (got == "") {
			t.Errorf("%q kept, %q now: %q, %v", tc.kept, tc.now, got, err)
		}
	}
}
