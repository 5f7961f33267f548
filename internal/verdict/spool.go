package verdict

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/repo"
)

// spool holds the findings of one judgement on disk until the report is made,
// so that memory does not grow with what was lost. A nil one holds nothing.
type spool struct {
	file *os.File
	out  *bufio.Writer
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "findings-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the findings: %w", err)
	}
	return &spool{file: f, out: bufio.NewWriter(f)}, nil
}

// add keeps a finding.
func (s *spool) add(f compare.Finding) error {
	if s == nil {
		return nil
	}
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode finding: %w", err)
	}
	line, err := json.Marshal(repo.Finding{Class: f.Class.String(), Worker: f.Worker, Seq: f.Seq, Body: body})
	if err == nil {
		_, err = s.out.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep finding: %w", err)
	}
	return nil
}

// all reads the findings back in their order.
func (s *spool) all() iter.Seq2[repo.Finding, error] {
	return func(yield func(repo.Finding, error) bool) {
		if s == nil {
			return
		}
		err := s.out.Flush()
		if err == nil {
			_, err = s.file.Seek(0, io.SeekStart)
		}
		if err != nil {
			yield(repo.Finding{}, fmt.Errorf("read findings back: %w", err))
			return
		}
		for in := json.NewDecoder(bufio.NewReader(s.file)); ; {
			var f repo.Finding
			err := in.Decode(&f)
			if err == io.EOF {
				return
			}
			if err != nil {
				err = fmt.Errorf("read findings back: %w", err)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

func (s *spool) close() error {
	if s == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
