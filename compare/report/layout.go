package report

import (
	"strings"
	"unicode/utf8"
)

// Rules of the text: no line is wider than width; a label stands in the first
// column, what it labels in the second, also where that goes over several
// lines; colour carries no meaning that the words do not carry.
const (
	width  = 100
	column = 10
)

// Style is how text is shown. Its zero value is Plain.
type Style uint8

// The styles.
const (
	// Plain is text without any escape sequence.
	Plain Style = iota
	// Coloured uses the colours of a terminal.
	Coloured
)

// The colours of the verdicts.
const (
	red    = "\x1b[1;31m"
	green  = "\x1b[1;32m"
	yellow = "\x1b[1;33m"
	reset  = "\x1b[0m"
)

// paint colours text, where the style has colours.
func (s Style) paint(colour, text string) string {
	if s != Coloured {
		return text
	}
	return colour + text + reset
}

// page is a text under way.
type page struct{ b strings.Builder }

// line adds a labelled text, broken between words where it is too wide. A word
// that is too wide by itself stands on a line of its own, unbroken.
func (p *page) line(label, text string) {
	for i, l := range wrap(text, width-column) {
		if i > 0 {
			label = ""
		}
		p.b.WriteString(strings.TrimRight(pad(label, column)+l, " "))
		p.b.WriteByte('\n')
	}
}

// lines adds several texts under one label.
func (p *page) lines(label string, texts []string) {
	for i, t := range texts {
		if i > 0 {
			label = ""
		}
		p.line(label, t)
	}
}

// wrap breaks a text at single spaces. It keeps runs of spaces inside a line,
// so that columns stay columns.
func wrap(text string, wide int) []string {
	var lines []string
	for utf8.RuneCountInString(text) > wide {
		cut := strings.LastIndexByte(firstRunes(text, wide+1), ' ')
		if cut <= 0 {
			if cut = strings.IndexByte(text, ' '); cut <= 0 {
				break
			}
		}
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		text = strings.TrimLeft(text[cut:], " ")
	}
	return append(lines, text)
}

// firstRunes is the start of a text, of n runes at most.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// pad fills a text with spaces up to a width.
func pad(text string, wide int) string {
	if n := wide - utf8.RuneCountInString(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}
