package firewall

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// table is nobody else's.
const table = "faildrill-firewall"

// Set replaces the rules of the network namespace.
func (r Rules) Set() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("setting firewall rules: %w", err)
	}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: table})
	c.FlushTable(t)
	chain := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
	}
	input, output := chain("input", nftables.ChainHookInput), chain("output", nftables.ChainHookOutput)
	rule := func(at *nftables.Chain, match []expr.Any, verdict ...expr.Any) {
		c.AddRule(&nftables.Rule{Table: t, Chain: at, Exprs: append(match, verdict...)})
	}
	drop := &expr.Verdict{Kind: expr.VerdictDrop}
	for _, a := range r.Lose {
		rule(input, tcp(a, destination), append(onlySYN(), drop)...)
	}
	for _, a := range r.Drop {
		rule(input, tcp(a, destination), drop)
		rule(output, tcp(a, source), drop)
	}
	for _, a := range r.Reject {
		rule(input, tcp(a, destination), &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("setting firewall rules by nftables: %w", err)
	}
	return nil
}

// end is where headers have one end of a connection (RFC 791, 8200, 9293).
type end struct{ v4, v6, port uint32 }

var source, destination = end{12, 8, 0}, end{16, 24, 2}

const tcpFlags, synACK, syn = 13, 0x12, 0x02

// tcp matches what has an address at an end.
func tcp(a netip.AddrPort, e end) []expr.Any {
	ip := a.Addr().Unmap()
	family, offset := byte(unix.NFPROTO_IPV4), e.v4
	if ip.Is6() {
		family, offset = unix.NFPROTO_IPV6, e.v6
	}
	m := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal(family),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(unix.IPPROTO_TCP),
	}
	if !ip.IsUnspecified() {
		m = append(m, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(ip.BitLen() / 8)}, equal(ip.AsSlice()...))
	}
	return append(m, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: e.port, Len: 2}, equal(binaryutil.BigEndian.PutUint16(a.Port())...))
}

// onlySYN matches the first packet of a connection.
func onlySYN() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{synACK}, Xor: []byte{0}}, equal(syn),
	}
}

func equal(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
