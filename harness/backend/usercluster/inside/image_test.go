package inside

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/kube"
)

// Who has pushed no image is told how; who named one is asked about it.
func TestPushed(t *testing.T) {
	pull := fmt.Errorf("upstream east: %w own:1", kube.ErrImage)
	other := errors.New("another thing")
	for _, test := range []struct {
		err   error
		image string
		want  string
	}{
		{pull, "", "make image IMAGE="}, {pull, "own:1", "service account"}, {other, "", "another thing"},
	} {
		got := pushed(test.err, &usercluster.Settings{Image: test.image})
		if !errors.Is(got, test.err) || !strings.Contains(got.Error(), test.want) {
			t.Errorf("%v: got %v", test, got)
		}
	}
	if err := pushed(nil, &usercluster.Settings{}); err != nil {
		t.Errorf("got %v", err)
	}
}

// An image that is named is taken as it is.
func TestImageOf(t *testing.T) {
	if got, err := imageOf(&usercluster.Settings{Image: "own:1"}); err != nil || got != "own:1" {
		t.Errorf("got %s, %v", got, err)
	}
}
