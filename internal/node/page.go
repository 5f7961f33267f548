package node

import "iter"

// page is the answer to one FETCH, copied whole: no call to the server is open
// while its rows are looked at, so that the deadline of a call is the server's
// alone. Its memory is used again by the next one.
type page struct {
	// values are those of all rows, one after the other; ends is where each
	// of them ends.
	values  []byte
	ends    []int
	columns int
	row     [][]byte
}

func (p *page) clear() { p.values, p.ends = p.values[:0], p.ends[:0] }

func (p *page) add(row [][]byte) {
	p.columns = len(row)
	for _, v := range row {
		p.values = append(p.values, v...)
		p.ends = append(p.ends, len(p.values))
	}
}

// len is the number of rows.
func (p *page) len() int {
	if len(p.ends) == 0 {
		return 0
	}
	return len(p.ends) / p.columns
}

// fit is how many rows of the size of these make a page.
func (p *page) fit() int {
	return min(pageRows, max(1, pageBytes*p.len()/max(1, len(p.values))))
}

// rows gives the rows in turn. The values are valid until the next.
func (p *page) rows() iter.Seq[[][]byte] {
	return func(yield func([][]byte) bool) {
		start := 0
		for first := 0; first < len(p.ends); first += p.columns {
			p.row = p.row[:0]
			for _, end := range p.ends[first : first+p.columns] {
				p.row = append(p.row, p.values[start:end])
				start = end
			}
			if !yield(p.row) {
				return
			}
		}
	}
}
