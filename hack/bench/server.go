package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"

	"github.com/faildrill/faildrill/mockupstreams"
)

// These make this program a server that runs until its input ends: a plain one, and
// a fake upstream of the harness.
const (
	serveArg         = "serve-for-the-bench"
	serveUpstreamArg = "serve-upstream-for-the-bench"
)

func serveUpstream() {
	s, err := mockupstreams.Start(mockupstreams.Config{Name: "upstream", Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Println(s.Addrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Close()
}

func serve() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	body := []byte("healthy\n")
	err = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// servers are processes of their own, one for each tool that sends requests.
type servers []*server

type server struct {
	cmd     *exec.Cmd
	in      io.Closer
	address string
	url     string
}

func startServers(n int) (servers, error) {
	var ss servers
	for range n {
		s, err := startServer(serveArg)
		if err != nil {
			ss.stop()
			return nil, fmt.Errorf("starting a server: %w", err)
		}
		ss = append(ss, s)
	}
	return ss, nil
}

func startServer(arg string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, arg)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		in.Close()
		return nil, errors.Join(err, cmd.Wait())
	}
	address := strings.TrimSpace(line)
	return &server{cmd, in, address, "http://" + address + "/"}, nil
}

func (ss servers) stop() {
	for _, s := range ss {
		s.in.Close()
		_ = s.cmd.Wait()
	}
}
