package xds

import (
	"strings"
	"time"
)

// VirtualHost maps host names on one port to routes (config.route.v3.VirtualHost).
type VirtualHost struct {
	Name    string   `json:"name"` // host:port
	Domains []string `json:"domains"`
	Port    uint32   `json:"port"`
	Routes  []Route  `json:"routes"` // the first that matches wins
}

// Route sends the requests that it matches to one cluster.
type Route struct {
	Name    string        `json:"name,omitempty"`
	Prefix  string        `json:"prefix,omitempty"` // path prefix; "" matches all
	Cluster string        `json:"cluster"`
	Timeout time.Duration `json:"timeout"` // 0: none
	Retry   *RetryPolicy  `json:"retry,omitempty"`
	// HostRewrite is the Host that upstreams see (host_rewrite_literal); "": that of the request.
	HostRewrite string `json:"hostRewrite,omitempty"`
}

// RetryPolicy is config.route.v3.RetryPolicy with its defaults written out.
type RetryPolicy struct {
	RetryOn              []string      `json:"retryOn"`
	RetriableStatusCodes []uint32      `json:"retriableStatusCodes,omitempty"`
	NumRetries           uint32        `json:"numRetries"`
	PerTryTimeout        time.Duration `json:"perTryTimeout,omitempty"` // 0: none
	BackOffBase          time.Duration `json:"backOffBase"`
	BackOffMax           time.Duration `json:"backOffMax"`
	// PreviousHosts is the retry host predicate that rejects hosts already tried by this request.
	PreviousHosts bool `json:"previousHosts,omitempty"`
	// HostSelectionMaxAttempts is the number of additional picks when the predicate rejects one.
	HostSelectionMaxAttempts uint32 `json:"hostSelectionMaxAttempts"`
	// PreviousPriorities is the update frequency of the retry priority plugin; 0: absent.
	PreviousPriorities uint32 `json:"previousPriorities,omitempty"`
}

// Config is everything that one proxy has got: the two sides of one push.
type Config struct {
	Clusters     []Cluster     `json:"clusters"`
	VirtualHosts []VirtualHost `json:"virtualHosts"`
}

// Cluster returns the cluster of that name, or nil.
func (c *Config) Cluster(name string) *Cluster {
	for i := range c.Clusters {
		if c.Clusters[i].Name == name {
			return &c.Clusters[i]
		}
	}
	return nil
}

// Matches reports whether a request for the host name belongs to this virtual
// host: an exact name, a wildcard (*.example.com), or *.
func (v *VirtualHost) Matches(host string) bool {
	for _, d := range v.Domains {
		if d == "*" || strings.EqualFold(d, host) {
			return true
		}
		if strings.HasPrefix(d, "*.") && len(host) > len(d)-1 && strings.EqualFold(host[len(host)-len(d)+1:], d[1:]) {
			return true
		}
	}
	return false
}
