package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/pki"
	"github.com/faildrill/faildrill/mockupstreams"
)

// asCommand makes the test binary behave as the command.
const asCommand = "MOCKUPSTREAM_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"-faults", 0, ""},
		{"-h", 0, "-listen"},
		{"", 2, "found no address"},
		{"-nonsense", 2, "nonsense"},
		{"-listen-tls :0", 2, "reading -cert and -key"},
		{"-listen x", 2, `found "x", expected host:port`},
		{"-listen :0,,:0", 2, "found an empty address"},
		{"-listen :0 more", 2, `found argument "more"`},
		{"-name a/b -listen :0", 2, `name: found "a/b"`},
		{"-listen " + taken.Addr().String(), 3, "cannot listen on " + taken.Addr().String()},
		{"-listen 127.0.0.1:0 -control " + taken.Addr().String(), 3, "control: cannot listen"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), strings.Fields(test.args), &stdout, &stderr)
		if code != test.code || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%q: got %d, %s\nwant %d, %s", test.args, code, &stderr, test.code, test.want)
		}
		if code == 3 && strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: got %q, want one sentence", test.args, &stderr)
		}
	}
}

func TestFaultsAreListed(t *testing.T) {
	var out bytes.Buffer
	run(context.Background(), []string{"-faults"}, &out, io.Discard)
	for _, b := range mockupstreams.Behaviours {
		if !strings.Contains(out.String(), b.Example) {
			t.Errorf("no example of %s in\n%s", b.Name, &out)
		}
	}
}

// The command as it is used: a process that logs, and leaves on SIGTERM.
func TestProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-name", "west", "-listen", "127.0.0.1:0,127.0.0.1:0", "-listen", "127.0.0.1:0",
		"-control", "127.0.0.1:0", "-body", "hi", "-seed", "1", "-log")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // harmless once it has ended
	line, err := bufio.NewReader(pipe).ReadString('\n')
	addresses := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(line, -1)
	if err != nil || len(addresses) != 4 {
		t.Fatalf("got %q, %v, want four addresses", line, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, address := range addresses[:3] {
		res, err := client.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "hi" || res.Header.Get("x-upstream") != "west" {
			t.Errorf("got %q, %v", body, res.Header)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var last mockupstreams.Attempt
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 3 || last.N != 3 || last.Status != 200 {
		t.Errorf("logged %q (%v), want three attempts", lines, err)
	}
}

func TestReadTLS(t *testing.T) {
	ca, err := pki.NewCA("ca", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.Server("a.example")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key, root, both := file("cert", c.Chain), file("key", c.Key), file("ca", ca.PEM()), file("both", slices.Concat(c.Chain, c.Key))
	if got, err := readTLS(cert, key, "", files{mockupstreams.TLSExpired: both}); err != nil || got.RequireClientCertificate || len(got.Certificate.Certificate) != 1 || len(got.Faulty[mockupstreams.TLSExpired].Certificate) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := readTLS(cert, key, root, nil); err != nil || !got.RequireClientCertificate || got.ClientCAs == nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := readTLS(cert, key, key, nil); err == nil || !strings.Contains(err.Error(), "found no certificate") {
		t.Errorf("a key for CAs: got %v", err)
	}
	if _, err := readTLS(cert, key, dir+"/none", nil); err == nil {
		t.Error("a CA file that is missing is read")
	}
	if _, err := readTLS(cert, key, "", files{mockupstreams.TLSExpired: cert}); err == nil || !strings.Contains(err.Error(), "-faulty expired") {
		t.Errorf("a certificate without its key: got %v", err)
	}
}
