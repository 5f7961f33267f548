package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/compare"
)

// ManifestName is the file by which a directory of evidence is known.
const ManifestName = "manifest.json"

// Format is the version of the directory's form. Another one is refused, never
// guessed at.
const Format = 1

// manifest is the list of all that is in a directory of evidence. It is written
// last, and its last member is the SHA-256 of the bytes before it, so that no
// damage to it goes unseen.
type manifest struct {
	Format int `json:"format"`
	// Version is that of the pgrpo that judged and kept the evidence.
	Version string       `json:"pgrpo"`
	Case    compare.Case `json:"case"`
	Files   []file       `json:"files"`
	SHA256  string       `json:"sha256"`
}

// file is one file of the directory, other than the manifest.
type file struct {
	Name string `json:"name"`
	// Bytes and SHA256 are of the file as it is on disk, compressed.
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Records is how many entries, markers, commits, rows or lines it holds.
	Records int64 `json:"records"`
	// Broken is the error with which the stream ended, empty if it came to its
	// end: what follows the records is not known.
	Broken string `json:"broken,omitempty"`
}

// sumTail is what follows the sum in a manifest.
const sumTail = "\"\n}\n"

// encode gives the bytes of the manifest, its own sum included.
func (m manifest) encode() ([]byte, error) {
	m.SHA256 = ""
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", ManifestName, err)
	}
	before := bytes.TrimSuffix(append(b, '\n'), []byte(sumTail))
	return append(hex.AppendEncode(before, sumOf(before)), sumTail...), nil
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// readManifest reads the manifest of a directory.
func readManifest(dir string) (manifest, error) {
	path := filepath.Join(dir, ManifestName)
	if err := isFile(path); err != nil {
		return manifest{}, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return manifest{}, err
	}
	return decodeManifest(b)
}

// isFile refuses what is no file of the directory's own: a link may lead anywhere,
// and a pipe never ends.
func isFile(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", filepath.Base(path))
	}
	return err
}

// decodeManifest refuses a manifest that is damaged or of another version.
func decodeManifest(b []byte) (manifest, error) {
	var m manifest
	body, whole := bytes.CutSuffix(b, []byte(sumTail))
	at := len(body) - hex.EncodedLen(sha256.Size)
	if !whole || at < 0 || string(body[at:]) != hex.EncodeToString(sumOf(body[:at])) {
		return m, fmt.Errorf("%s is damaged: it does not end with its own SHA-256", ManifestName)
	}
	var of struct {
		Format  int    `json:"format"`
		Version string `json:"pgrpo"`
	}
	if err := json.Unmarshal(b, &of); err != nil {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if of.Format != Format {
		return m, fmt.Errorf("%s has format %d, kept by pgrpo %s: this pgrpo reads format %d", ManifestName, of.Format, of.Version, Format)
	}
	if err := strictly(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", ManifestName, err)
	}
	return m, nil
}

// strictly reads one value of JSON and refuses a member that this version does not
// know, and what follows it: evidence that is passed over is not judged.
func strictly(b []byte, v any) error {
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return err
	}
	if _, err := in.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}
