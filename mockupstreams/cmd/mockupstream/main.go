// Command mockupstream runs one fake regional upstream, which misbehaves on
// request through its control API.
//
//	mockupstream -name west -listen :80,:443 -control 127.0.0.1:9000 -log
//	curl -d '{"name": "flaky", "status": 503, "percentage": 50}' 127.0.0.1:9000/faults
//	curl -X DELETE 127.0.0.1:9000/faults/flaky
//	curl 127.0.0.1:9000/counts
//	mockupstream -faults # what it can do wrong
//
// It needs nothing but its binary. It leaves out scheduling (faults are applied
// when they are posted) and authentication: keep the control address private.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/faildrill/faildrill/mockupstreams"
)

// Exit codes.
const (
	exitOK    = 0
	exitUsage = 2
	exitBind  = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cfg mockupstreams.Config
	flags := flag.NewFlagSet("mockupstream", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.Name, "name", "upstream", "what the upstream calls itself in the header x-upstream")
	flags.Var((*addresses)(&cfg.Listen), "listen", "host:port for requests; repeat it or separate several by commas")
	flags.Var((*addresses)(&cfg.ListenTLS), "listen-tls", "host:port for requests by TLS; as -listen")
	cert := flags.String("cert", "", "PEM file with the certificate of -listen-tls")
	key := flags.String("key", "", "PEM file with its key")
	clientCA := flags.String("client-ca", "", "PEM file with the CAs that client certificates have to come from; with it they are required")
	broken := files{}
	flags.Var(broken, "faulty", "expired=FILE, wrongName=FILE or unknownIssuer=FILE: PEM with the certificate of that fault of TLS, and its key; repeat it")
	flags.StringVar(&cfg.Control, "control", "", "host:port of the control API; none when empty")
	flags.StringVar(&cfg.Body, "body", "", `body of healthy answers (default "healthy: <name>\n")`)
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of all chance")
	logging := flags.Bool("log", false, "write one JSON line an attempt to standard output")
	faults := flags.Bool("faults", false, "list the faults and exit")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return exitOK
		}
		return exitUsage
	}
	if *faults {
		listFaults(stdout)
		return exitOK
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "mockupstream: found argument %q, expected flags only\n", flags.Arg(0))
		return exitUsage
	}
	if len(cfg.ListenTLS) > 0 {
		var err error
		if cfg.TLS, err = readTLS(*cert, *key, *clientCA, broken); err != nil {
			fmt.Fprintf(stderr, "mockupstream: %v\n", err)
			return exitUsage
		}
	}
	if *logging {
		cfg.OnAttempt = logTo(stdout)
	}
	s, err := mockupstreams.Start(cfg)
	if err != nil {
		fmt.Fprintf(stderr, "mockupstream: %v\n", err)
		if errors.Is(err, mockupstreams.ErrListen) {
			return exitBind
		}
		return exitUsage
	}
	fmt.Fprintf(stderr, "mockupstream: %s listens on %s", cfg.Name, strings.Join(s.Addrs(), ", "))
	if s.ControlAddr() != "" {
		fmt.Fprintf(stderr, ", control on %s", s.ControlAddr())
	}
	fmt.Fprintln(stderr)
	<-ctx.Done()
	if err := s.Close(); err != nil {
		fmt.Fprintf(stderr, "mockupstream: closing: %v\n", err)
		return exitBind
	}
	return exitOK
}

// readTLS reads what the TLS ports show; clientCA may be "".
func readTLS(cert, key, clientCA string, broken files) (*mockupstreams.TLS, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading -cert and -key: %w", err)
	}
	out := &mockupstreams.TLS{Certificate: pair, Faulty: map[string]tls.Certificate{}}
	for fault, file := range broken {
		if out.Faulty[fault], err = tls.LoadX509KeyPair(file, file); err != nil {
			return nil, fmt.Errorf("reading -faulty %s: %w", fault, err)
		}
	}
	if clientCA == "" {
		return out, nil
	}
	data, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fmt.Errorf("reading -client-ca: %w", err)
	}
	out.ClientCAs, out.RequireClientCertificate = x509.NewCertPool(), true
	if !out.ClientCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading -client-ca: found no certificate in %s, expected PEM", clientCA)
	}
	return out, nil
}

// logTo writes attempts as JSON lines, one at a time.
func logTo(w io.Writer) func(mockupstreams.Attempt) {
	var mu sync.Mutex
	enc := json.NewEncoder(w)
	return func(a mockupstreams.Attempt) {
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(a) // serving goes on when nobody reads the log
	}
}

func listFaults(w io.Writer) {
	for _, b := range mockupstreams.Behaviours {
		fmt.Fprintf(w, "%s: %s\n    %s\n    %s\n", b.Name, b.Value, b.Doc, b.Example)
	}
	fmt.Fprintln(w, "\nwhich requests:")
	for _, key := range mockupstreams.MatchKeys {
		fmt.Fprintf(w, "    %s: %s (%s)\n", key.Name, key.Doc, key.Example)
	}
}

// files is a flag that names files, by the fault of TLS that they are for.
type files map[string]string

func (f files) String() string { return "" }

func (f files) Set(value string) error {
	fault, file, ok := strings.Cut(value, "=")
	if !ok || fault != mockupstreams.TLSExpired && fault != mockupstreams.TLSWrongName && fault != mockupstreams.TLSUnknownIssuer {
		return fmt.Errorf("found %q, expected expired=FILE, wrongName=FILE or unknownIssuer=FILE", value)
	}
	f[fault] = file
	return nil
}

// addresses is a flag that may be repeated or hold several.
type addresses []string

func (a *addresses) String() string { return strings.Join(*a, ",") }

func (a *addresses) Set(value string) error {
	for _, address := range strings.Split(value, ",") {
		if address = strings.TrimSpace(address); address == "" {
			return fmt.Errorf("found an empty address, expected host:port")
		}
		*a = append(*a, address)
	}
	return nil
}
