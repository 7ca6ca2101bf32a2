// Command faildrill-cluster is the part of faildrill that knows Kubernetes: faildrill
// starts it for `kind`, `images` and drills on kind and cluster. It is a
// program of its own because its libraries are heavy.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/kindcluster/inside"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	user "github.com/faildrill/faildrill/harness/backend/usercluster/inside"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/kindup"
)

func main() {
	if len(os.Args) == 1 {
		signal.Ignore(os.Interrupt) // Ctrl-C is for who started this, who says so
		os.Exit(child.Serve(play, inside.Orphaned))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	err := do(ctx, os.Args[1:], say)
	var wrong kindup.UsageError
	switch {
	case err == nil:
	case errors.Is(err, errVerb):
		say("%v", err)
		os.Exit(2)
	case errors.As(err, &wrong):
		say("faildrill: %v", err)
		os.Exit(2)
	case ctx.Err() != nil:
		say("faildrill: interrupted; what was begun is taken down")
		os.Exit(130)
	default:
		say("faildrill: %v", err)
		os.Exit(3)
	}
}

var errVerb = errors.New("faildrill-cluster is started by faildrill")

// do does what a verb says; what people chose comes as JSON.
func do(ctx context.Context, args []string, say kindup.Say) error {
	verb, rest := strings.Join(args[:min(len(args), 2)], " "), args[min(len(args), 2):]
	var o kindup.Options
	read := func(v any) error {
		if len(rest) != 1 || json.Unmarshal([]byte(rest[0]), v) != nil {
			return errVerb
		}
		return nil
	}
	switch verb {
	case "kind up":
		if err := read(&o); err != nil {
			return err
		}
		_, err := kindup.Up(ctx, o, say)
		return err
	case "kind by-hand":
		if err := read(&o); err != nil {
			return err
		}
		h, err := kindup.ByHand(ctx, o)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(h)
	case "kind down":
		return kindup.Down(ctx, false, say)
	case "kind wipe":
		return kindup.Down(ctx, true, say)
	case "kind status":
		c, err := kindup.Find(ctx)
		if err == nil {
			fmt.Printf("Istio %s, Kubernetes %s, nodes in %s\n", c.Istio, c.Kubernetes, strings.Join(c.Regions, ", "))
		}
		return err
	case "images list", "images usual":
		if err := read(&o); err != nil {
			return err
		}
		list, err := kindup.Contents(ctx, o, verb == "images usual")
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(list)
	case "images save", "images load":
		var file string
		if err := read(&file); err != nil {
			return err
		}
		if verb == "images load" {
			return kindup.Load(ctx, file, say)
		}
		return kindup.Save(ctx, kindup.Options{Mirror: images.FromEnvironment()}, file, say)
	case "cluster preflight":
		return preflight(ctx, os.Stdin, os.Stdout)
	case "cluster clean":
		return clean(ctx, os.Stdin)
	case "undo":
		return undo(ctx, os.Stdin)
	}
	return errVerb
}

// play plays a job of whichever backend.
func play(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) {
	var of struct {
		Backend string `json:"backend"`
	}
	if err := json.Unmarshal(job, &of); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	if of.Backend == usercluster.Name {
		return user.Play(ctx, job, sink)
	}
	return inside.Play(ctx, job, sink)
}

// preflight answers a usercluster.Question with a usercluster.Report.
func preflight(ctx context.Context, in io.Reader, out io.Writer) error {
	var q usercluster.Question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("reading the question: %w", err)
	}
	r, err := user.Preflight(ctx, q)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// clean removes what runs left in the namespace of a usercluster.Question.
func clean(ctx context.Context, in io.Reader) error {
	var q usercluster.Question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("reading what is to be cleaned: %w", err)
	}
	return user.Clean(ctx, &q.Settings)
}

// undo undoes the entries of a journal, one an object, in their order.
func undo(ctx context.Context, in io.Reader) error {
	for d := json.NewDecoder(in); ; {
		var u backend.Undo
		if err := d.Decode(&u); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading what is to be undone: %w", err)
		}
		if err := inside.Undo(ctx, u); err != nil {
			return err
		}
	}
}
