package live

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
)

// Screen is a terminal that a progress bar and the log share: while a bar is
// drawn, lines go above it.
type Screen struct {
	out io.Writer
	mu  sync.Mutex
	bar *mpb.Progress
}

// NewScreen makes the screen of a terminal.
func NewScreen(terminal io.Writer) *Screen { return &Screen{out: terminal} }

// Write shows whole lines.
func (s *Screen) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		return s.bar.Write(lines)
	}
	return s.out.Write(lines)
}

// draw makes lines go above the bars of p, or to the terminal again if p is
// nil.
func (s *Screen) draw(p *mpb.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bar = p
}
