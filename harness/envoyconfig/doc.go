// Package envoyconfig writes the values of package xds as Envoy's own messages.
//
//	cluster := envoyconfig.Cluster(c)             // what istiod sends for it
//	cluster = envoyconfig.Inline(c)               // with the endpoints of an EDS cluster inside
//	routes := envoyconfig.Routes(config.VirtualHosts, 80)
//	err := envoyconfig.WriteCDS(dir, "1", []*clusterv3.Cluster{cluster})
//	err = envoyconfig.WriteRDS(dir, "1", routes)
//	b := envoyconfig.Bootstrap(envoyconfig.BootstrapOptions{...}) // the files have to be there first
//
// A field that has Envoy's default is left out, as istiod leaves it out; a test
// walks the fields of xds and asks that each changes the message. Everything but
// the two Write functions takes values and gives values.
//
// Left out on purpose: what decides no failover (metadata, filters other than
// the router, tracing), and listeners for what is not HTTP.
package envoyconfig
