package images

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// ErrArchive says that a file is not what `docker save` writes, or not all of it.
var ErrArchive = errors.New("it is not a whole archive of images")

// longestText bounds the files of an archive that are read as text: configurations.
const longestText = 4 << 20

// entry is a file of an archive.
type entry struct {
	sum  string // SHA-256
	text []byte // nil: longer than a text
	link string // the file that it stands for
}

// About is what an archive says of itself beside what Docker reads, in a file of its own.
type About struct {
	Schema string   `json:"schema"`
	Images []string `json:"images"`
	// Airgap is the manifest of hack/airgap, without its archives, if the images are of it.
	Airgap json.RawMessage `json:"airgap,omitempty"`
}

const (
	aboutFile   = "faildrill.json"
	aboutSchema = "faildrill.dev/images/v1"
)

// Label copies an archive of `docker save` and has it say what it is. It returns the
// bytes that it has read.
func Label(to io.Writer, from io.Reader, about About) (int64, error) {
	about.Schema = aboutSchema
	text, err := json.Marshal(about)
	if err != nil {
		return 0, err
	}
	counted := &counter{r: from}
	in, out := tar.NewReader(counted), tar.NewWriter(to)
	if err := out.WriteHeader(&tar.Header{Name: aboutFile, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return 0, err
	}
	if _, err := out.Write(text); err != nil {
		return 0, err
	}
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return counted.n, out.Close()
		}
		if err != nil {
			return counted.n, err
		}
		if err := out.WriteHeader(h); err != nil {
			return counted.n, err
		}
		if _, err := io.Copy(out, in); err != nil {
			return counted.n, err
		}
	}
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// Verify reads an archive of `docker save` to its end and says which images are in it. Their
// configurations and layers have to be there, with the checksums that they say.
func Verify(r io.Reader) ([]string, About, error) {
	files, err := entries(r)
	if err != nil {
		return nil, About{}, err
	}
	tags, err := verifyImages(files)
	if err != nil {
		return nil, About{}, err
	}
	var about About
	if e, ok := files[aboutFile]; ok {
		if err := json.Unmarshal(e.text, &about); err != nil || about.Schema != aboutSchema {
			return nil, About{}, bad("another version of faildrill wrote it")
		}
		for _, want := range about.Images {
			if !slices.ContainsFunc(tags, func(tag string) bool { return short(tag) == short(want) }) {
				return nil, About{}, bad("%s is missing", want)
			}
		}
	}
	return tags, about, nil
}

// short is an image's name as Docker writes it.
func short(image string) string {
	return strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "library/")
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrArchive, fmt.Errorf(format, args...))
}

// entries are the files of an archive, by their names.
func entries(r io.Reader) (map[string]entry, error) {
	files := map[string]entry{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad("%w", err)
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeSymlink:
			files[name] = entry{link: path.Join(path.Dir(name), h.Linkname)}
		case tar.TypeLink:
			files[name] = entry{link: path.Clean(h.Linkname)}
		case tar.TypeReg:
			e, err := readEntry(t, h.Size)
			if err != nil {
				return nil, bad("%s: %w", name, err)
			}
			files[name] = e
		}
	}
	if len(files) == 0 {
		return nil, bad("it is empty")
	}
	return files, nil
}

// verifyImages are the names of the images.
func verifyImages(files map[string]entry) ([]string, error) {
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"].text, &manifest); err != nil || len(manifest) == 0 {
		return nil, bad("it has no manifest.json that names images")
	}
	var tags []string
	for _, m := range manifest {
		if len(m.RepoTags) == 0 {
			return nil, bad("an image in it has no name")
		}
		if err := verifyImage(files, m.Config, m.Layers); err != nil {
			return nil, bad("%s: %w", m.RepoTags[0], err)
		}
		tags = append(tags, m.RepoTags...)
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

func readEntry(r io.Reader, size int64) (entry, error) {
	h := sha256.New()
	if size > longestText {
		_, err := io.Copy(h, r)
		return entry{sum: hex.EncodeToString(h.Sum(nil))}, err
	}
	text, err := io.ReadAll(r)
	h.Write(text)
	return entry{sum: hex.EncodeToString(h.Sum(nil)), text: text}, err
}

// verifyImage holds an image's files against the checksums in its configuration.
//
// Source: the image specification of Docker, v1.2, "Combined Image JSON + Filesystem Changeset
// Format"; the OCI's image layout, whose blobs are named by what is in them.
func verifyImage(files map[string]entry, config string, layers []string) error {
	c, ok := files[path.Clean(config)]
	if !ok {
		return fmt.Errorf("its configuration %s is missing", config)
	}
	if want, ok := sumInName(config); ok && want != c.sum {
		return fmt.Errorf("its configuration %s has another checksum", config)
	}
	var doc struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(c.text, &doc); err != nil || len(doc.RootFS.DiffIDs) != len(layers) {
		return fmt.Errorf("its configuration %s does not tell of %d layers", config, len(layers))
	}
	for i, name := range layers {
		e, ok := files[path.Clean(name)]
		for n := 0; ok && e.link != "" && n < len(files); n++ {
			e, ok = files[e.link]
		}
		if !ok || e.sum == "" {
			return fmt.Errorf("its layer %s is missing", name)
		}
		// A blob may be compressed: then its name alone has its checksum.
		if want, ok := sumInName(name); e.sum != strings.TrimPrefix(doc.RootFS.DiffIDs[i], "sha256:") && (!ok || e.sum != want) {
			return fmt.Errorf("its layer %s has another checksum", name)
		}
	}
	return nil
}

// sumInName is the checksum that a file of an archive is named by.
func sumInName(name string) (string, bool) {
	base, _, _ := strings.Cut(strings.TrimPrefix(path.Base(name), "sha256:"), ".")
	b, err := hex.DecodeString(base)
	return base, err == nil && len(b) == sha256.Size
}
