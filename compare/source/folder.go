package source

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// folder is a directory of compressed files, by their names. The files are
// readable by their owner only.
type folder struct {
	dir   string
	files map[string]file
}

// output is one file under way.
type output struct {
	name string
	disk *os.File
	sum  hash.Hash
	out  *bufio.Writer
	zip  *gzip.Writer
	n    int64
}

func (d folder) create(name string) (*output, error) {
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	o := &output{name: name, disk: f, sum: sha256.New()}
	o.out = bufio.NewWriterSize(io.MultiWriter(f, o.sum), 64<<10)
	// What is drawn by chance takes room at any level, and time at the others.
	if o.zip, err = gzip.NewWriterLevel(o.out, gzip.BestSpeed); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

// put adds one record.
func (o *output) put(record []byte) error {
	o.n++
	_, err := o.zip.Write(record)
	return err
}

// close ends the file durably. Broken says with which error its stream ended.
func (o *output) close(broken string) (file, error) {
	err := errors.Join(o.zip.Close(), o.out.Flush(), o.disk.Sync())
	info, statErr := o.disk.Stat()
	if err = errors.Join(err, statErr, o.disk.Close()); err != nil {
		return file{}, err
	}
	return file{Name: o.name, Bytes: info.Size(), SHA256: hex.EncodeToString(o.sum.Sum(nil)), Records: o.n, Broken: broken}, nil
}

// whole keeps one value as JSON.
func (d folder) whole(name string, v any) error {
	content, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	o, err := d.create(name)
	if err != nil {
		return err
	}
	err = o.put(append(content, '\n'))
	f, closing := o.close("")
	if err = errors.Join(err, closing); err != nil {
		return err
	}
	d.files[name] = f
	return nil
}

// stored keeps a stream up to its end or to its error, which is kept with it. An
// error is of the writing.
func stored[T any](d folder, w txn.Worker, c codec[T], all iter.Seq2[T, error]) error {
	name := stream{c.kind, w}.name()
	o, err := d.create(name)
	if err != nil {
		return err
	}
	var buf []byte
	broken := ""
	for v, failed := range all {
		if failed != nil {
			broken = failed.Error()
			break
		}
		buf = c.append(buf[:0], v)
		if err = o.put(buf); err != nil {
			break
		}
	}
	f, closing := o.close(broken)
	if err = errors.Join(err, closing); err != nil {
		return err
	}
	d.files[name] = f
	return nil
}

// open opens a file to be read.
func (d folder) open(name string) (*bufio.Reader, func() error, error) {
	f, err := os.Open(filepath.Join(d.dir, name))
	if err != nil {
		return nil, nil, err
	}
	unzipped, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return bufio.NewReaderSize(unzipped, 32<<10), f.Close, nil
}

// mostValue bounds what is kept as one value, in bytes. The facts of a long run
// are some megabytes.
const mostValue = 1 << 30

// value reads what whole kept.
func (d folder) value(name string, v any) error { return d.valueOf(name, v, mostValue) }

// valueOf reads a value of at most so many bytes.
func (d folder) valueOf(name string, v any, most int64) error {
	in, done, err := d.open(name)
	if err != nil {
		return fmt.Errorf("read evidence %s: %w", name, err)
	}
	defer done()
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
	case int64(len(b)) > most:
		err = fmt.Errorf("it is longer than %d bytes", most)
	default:
		err = strictly(b, v)
	}
	if err != nil {
		return fmt.Errorf("read evidence %s: %w", name, err)
	}
	return nil
}

// read gives a stream back as it was kept, with the error that it ended with. A
// stream that was not kept, and a file that is not what was written, are errors.
func read[T any](d folder, w txn.Worker, c codec[T]) iter.Seq2[T, error] {
	name := stream{c.kind, w}.name()
	return func(yield func(T, error) bool) {
		var none T
		fail := func(err error) { yield(none, fmt.Errorf("read evidence %s: %w", name, err)) }
		kept, there := d.files[name]
		if !there {
			fail(errors.New("it was not kept"))
			return
		}
		in, done, err := d.open(name)
		if err != nil {
			fail(err)
			return
		}
		defer done()
		var buf []byte
		for n := int64(0); ; n++ {
			if buf, err = c.next(in, buf); err == io.EOF && n == kept.Records {
				break
			}
			if err == io.EOF || n >= kept.Records {
				err = fmt.Errorf("it does not hold the %d records of the manifest", kept.Records)
			}
			var v T
			if err == nil {
				v, err = c.decode(buf)
			}
			if err != nil {
				fail(err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if kept.Broken != "" {
			yield(none, errors.New(kept.Broken))
		}
	}
}

// next reads the bytes of the next element into buf. It is io.EOF where there is
// none, and any other error where it is cut.
func (c *codec[T]) next(in *bufio.Reader, buf []byte) ([]byte, error) {
	buf = grown(buf, c.head)
	if _, err := io.ReadFull(in, buf); err != nil || c.rest == nil {
		return buf, err
	}
	// More may be announced than is there: room is made as it comes.
	for whole := c.head + c.rest(buf); len(buf) < whole; {
		from := len(buf)
		buf = grown(buf, min(whole, max(2*from, 64<<10)))
		if _, err := io.ReadFull(in, buf[from:]); err == io.EOF {
			return buf, io.ErrUnexpectedEOF
		} else if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// grown gives buf the length n and keeps what is in it.
func grown(buf []byte, n int) []byte {
	if n <= cap(buf) {
		return buf[:n]
	}
	return append(buf[:cap(buf)], make([]byte, n-cap(buf))...)
}
