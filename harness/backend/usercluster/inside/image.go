package inside

import (
	"errors"
	"fmt"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/kube"
)

// pushed adds to an image that the cluster cannot pull what to do about it.
func pushed(err error, set *usercluster.Settings) error {
	switch {
	case !errors.Is(err, kube.ErrImage):
		return err
	case set.Image == "":
		return fmt.Errorf("%w; push faildrill's image where the cluster finds it (make image IMAGE=REGISTRY/faildrill:TAG), and name it with --image", err)
	}
	return fmt.Errorf("%w; is it there, and may the namespace's service account pull it?", err)
}
