package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// file holds its own certificate.
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, file}
}

// secure gives a server a certificate for the names and addresses.
func (a *authority) secure(t *testing.T, v *sandbox.Server, until time.Time, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "server of a test"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	err = v.Secure(t.Context(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	if err != nil {
		t.Fatal(err)
	}
}

// verified is a DSN that demands a certificate of the authority for the host.
func verified(v *sandbox.Server, host string, a *authority) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("postgres", "hidden"), Path: "/postgres",
		Host:     net.JoinHostPort(host, fmt.Sprint(v.Port())),
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {a.file}}.Encode()}
	return u.String()
}

// With certificates that are verified in full, all connections are made,
// replication's too; with one that does not hold, none is, and one line says so.
func TestVerifiedTLS(t *testing.T) {
	p := openPair(t)
	ca, other := newAuthority(t), newAuthority(t)
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	ca.secure(t, p.primary, later, "localhost")
	ca.secure(t, p.repo, later, "127.0.0.1")
	for _, v := range []*sandbox.Server{p.primary, p.repo} {
		if err := v.SetHBA(t.Context(), "hostnossl all all all reject"); err != nil {
			t.Fatal(err)
		}
	}
	try := func(host string, a *authority, repoHost string, repoCA *authority) (result, string) {
		runDir := t.TempDir()
		args := p.quick(runDir, "--expect=none")
		args[2], args[4] = verified(p.primary, host, a), verified(p.repo, repoHost, repoCA)
		return pgrpo(t, args...), runDir
	}
	r, runDir := try("localhost", ca, "127.0.0.1", ca)
	if r.status != 0 {
		t.Fatalf("status %d, want 0", r.status)
	}
	if rep := judged(t, runDir); !rep.Capture.Complete || rep.Capture.Transactions == 0 {
		t.Errorf("capture %+v, want it complete", rep.Capture)
	}
	refused := func(name string, at *sandbox.Server, r result) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
		last := lines[len(lines)-1]
		if r.status != 4 || !strings.HasPrefix(last, "pgrpo: ") || !strings.Contains(last, "certificate") || !strings.Contains(last, fmt.Sprint(at.Port())) {
			t.Errorf("%s: status %d, want 4 and a line on the certificate: %s", name, r.status, last)
		}
		for _, line := range lines[:len(lines)-1] {
			if !strings.Contains(line, " INF ") {
				t.Errorf("%s: more than one line: %s", name, line)
			}
		}
		if strings.Contains(r.stdout+r.stderr, "hidden") {
			t.Errorf("%s: a password is shown", name)
		}
	}
	r, _ = try("localhost", other, "127.0.0.1", ca)
	refused("wrong authority of the primary", p.primary, r)
	r, _ = try("127.0.0.1", ca, "127.0.0.1", ca)
	refused("wrong host of the primary", p.primary, r)
	r, _ = try("localhost", ca, "127.0.0.1", other)
	refused("wrong authority of the repo", p.repo, r)
	r, _ = try("localhost", ca, "localhost", ca)
	refused("wrong host of the repo", p.repo, r)
	ca.secure(t, p.repo, before, "127.0.0.1")
	r, _ = try("localhost", ca, "127.0.0.1", ca)
	refused("certificate of the repo expired", p.repo, r)
	ca.secure(t, p.primary, before, "localhost")
	r, _ = try("localhost", ca, "127.0.0.1", ca)
	refused("certificate of the primary expired", p.primary, r)
}
