// Package mockupstreams fakes a regional upstream: an HTTP/1 and cleartext
// HTTP/2 server that says who it is, counts what it gets, and misbehaves on
// request, one named fault at a time. On some ports it speaks HTTP/1 inside TLS.
//
//	west, err := mockupstreams.Start(mockupstreams.Config{Name: "west", Listen: []string{"127.0.0.1:0"}})
//	defer west.Close()
//	fault, err := mockupstreams.ParseFault([]byte(`{"name": "flaky", "status": 503, "percentage": 50}`))
//	err = west.Apply(fault)  // half of the answers are 503 now
//	err = west.Heal("flaky") // and now none
//
// What a fault does is in the table Behaviours, one file each; which requests
// it hits is a Selector; both are data, so that references are generated from
// them. Time and chance are handed in (Config.Now, Config.Seed): the same
// requests in the same order with the same seed meet the same faults.
//
// A fault is decided once, when a request's headers have arrived. Healing it
// changes what later requests meet, never a request that was hit already.
//
// Left out on purpose: plain TCP upstreams, HTTP/2 inside TLS, answers that depend on the
// request (the body is always the same), faults of name resolution, and
// unanswered SYNs, which only a dialer or a packet filter can fake.
package mockupstreams
