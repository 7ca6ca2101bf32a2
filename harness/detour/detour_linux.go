package detour

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// table is nobody else's.
const table = "faildrill"

// Where a header has the destination (RFC 791, RFC 8200).
const dst4, dst6 = 16, 24

// afterRedirection is the priority of a chain that comes after iptables' (-100): of
// several chains of type nat the first that has a rule for a connection decides.
const afterRedirection = nftables.ChainPriority(-90)

// Set replaces the detours of the network namespace.
func (r Rules) Set() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("setting detours: %w", err)
	}
	for _, f := range []family{
		{nftables.TableFamilyIPv4, unix.NFPROTO_IPV4, dst4, false}, {nftables.TableFamilyIPv6, unix.NFPROTO_IPV6, dst6, true},
	} {
		to, nobody, err := r.of(f.v6)
		if err != nil {
			return err
		}
		if len(to)+len(nobody) == 0 {
			continue // a kernel without IPv6 need not have its tables
		}
		t := c.AddTable(&nftables.Table{Family: f.table, Name: table})
		c.FlushTable(t)
		nat := c.AddChain(&nftables.Chain{
			Name: "detour", Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRef(afterRedirection),
		})
		for _, d := range to {
			c.AddRule(&nftables.Rule{Table: t, Chain: nat, Exprs: append(f.tcpTo(d[0]),
				&expr.Immediate{Register: 1, Data: d[1].AsSlice()},
				&expr.NAT{Type: expr.NATTypeDestNAT, Family: f.proto, RegAddrMin: 1},
			)})
		}
		refuse := c.AddChain(&nftables.Chain{
			Name: "nobody", Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
		})
		for _, ip := range nobody {
			c.AddRule(&nftables.Rule{Table: t, Chain: refuse, Exprs: append(f.tcpTo(ip), &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})})
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("setting detours by nftables: %w", err)
	}
	return nil
}

type family struct {
	table  nftables.TableFamily
	proto  uint32
	offset uint32
	v6     bool
}

// tcpTo matches what TCP sends to an address.
func (f family) tcpTo(ip netip.Addr) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset, Len: uint32(ip.BitLen() / 8)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: ip.AsSlice()},
	}
}
