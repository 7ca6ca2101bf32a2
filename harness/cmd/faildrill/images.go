package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/incluster/program"
	"github.com/faildrill/faildrill/harness/result"
)

// imagesSchema is the name of the JSON that images list prints.
const imagesSchema = "faildrill.dev/images/v1"

func (a *app) images() *cobra.Command {
	c := &cobra.Command{
		Use:   "images",
		Short: "The container images of the kind cluster, for who mirrors them",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var output string
	var usual bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List the images that kind up and drills on kind use here",
		Long: "list says of each image what it is for, where it comes from - a registry, the cache that hack/airgap filled, this machine, or inside the\n" +
			"node's image, as Kubernetes' own always are - and its size if Docker has it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			got, err := a.listImages(c, usual)
			if err != nil {
				return err
			}
			if output == "json" {
				return a.json(result.Document[images.Listed]{Schema: imagesSchema, Results: got})
			}
			if usual {
				for _, l := range got {
					fmt.Fprintln(a.out, l.Image)
				}
				return nil
			}
			t := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "IMAGE\tFOR\tFROM\tIN DOCKER")
			for _, l := range got {
				there := "no"
				switch {
				case l.Present && l.Size > 0:
					there = fmt.Sprintf("%d MB", l.Size/1e6)
				case l.Present:
					there = "yes"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Image, l.What, l.From, there)
			}
			return t.Flush()
		},
	}
	list.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	list.Flags().BoolVar(&usual, "registry", false, "the usual images by their names in registries, one a line: what a mirror needs")
	save := &cobra.Command{
		Use:   "save FILE",
		Short: "Save the images in one archive",
		Long:  "save has Docker get the images that it lacks and writes all into one archive, as docker save does: for images load on another machine.",
		Args:  oneFile,
		RunE:  func(c *cobra.Command, args []string) error { return a.imageFile(c, "save", args[0]) },
	}
	load := &cobra.Command{
		Use:   "load FILE",
		Short: "Load an archive of images into Docker",
		Long: "load reads the archive to its end and holds its layers against their checksums; then Docker loads it. If hack/airgap built the images, faildrill kind up\n" +
			"uses them from then on. Archives of docker save will do, too.",
		Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error { return a.imageFile(c, "load", args[0]) },
	}
	c.AddCommand(list, save, load)
	return c
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usageError{errors.New("expected one file: faildrill images save images.tar")}
	}
	return nil
}

// imageFile has faildrill-cluster save or load a file.
func (a *app) imageFile(c *cobra.Command, verb, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return environmentError{err}
	}
	in, err := json.Marshal(file)
	if err != nil {
		return environmentError{err}
	}
	return a.cluster(c, "images", verb, string(in))
}

// listImages asks faildrill-cluster.
func (a *app) listImages(c *cobra.Command, usual bool) ([]images.Listed, error) {
	at, err := program.Find()
	if err != nil {
		return nil, environmentError{err}
	}
	in, err := json.Marshal(kindChoice{Mirror: images.FromEnvironment()})
	if err != nil {
		return nil, environmentError{err}
	}
	verb := "list"
	if usual {
		verb = "usual"
	}
	out, err := program.Ask(c.Context(), at, nil, "images", verb, string(in))
	if err != nil {
		return nil, environmentError{err}
	}
	var got []images.Listed
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return nil, environmentError{fmt.Errorf("reading what %s says: %w", at, err)}
	}
	return got, nil
}
