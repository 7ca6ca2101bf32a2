package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Options say what the machine looks like.
type Options struct {
	Network    Network
	Nameserver netip.Addr // what resolv.conf names
}

// Machine is seen from its first process.
type Machine struct {
	Dir     string // in memory
	Network Network

	clients int
	nft     *nftables.Conn
	table   *nftables.Table
	input   *nftables.Chain
}

// homes are where the file system in memory may go: folders that every Linux has
// and that no program is in.
var homes = []string{"/mnt", "/media", "/srv"}

// Enter makes the machine. It is called by the first process, once.
func Enter(o Options) (*Machine, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("entering a machine: not its first process")
	}
	s := &Machine{Network: o.Network}
	if err := s.mounts(o); err != nil {
		return nil, fmt.Errorf("making the file systems of the machine: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err == nil {
		err = s.AddAddress(o.Network.Outer())
	}
	if err != nil {
		return nil, fmt.Errorf("making the network of the machine: %w", err)
	}
	return s, nil
}

func (s *Machine) mounts(o Options) error {
	// Nothing that is mounted here may show outside.
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("/: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	for _, home := range homes {
		if fi, err := os.Stat(home); err == nil && fi.IsDir() {
			s.Dir = home
			break
		}
	}
	if s.Dir == "" {
		return fmt.Errorf("found none of the folders %v", homes)
	}
	if err := unix.Mount("tmpfs", s.Dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("%s: %w", s.Dir, err)
	}
	for name, text := range map[string]string{
		"resolv.conf": fmt.Sprintf("nameserver %v\noptions ndots:0\n", o.Nameserver),
		"hosts":       "127.0.0.1 localhost\n",
	} {
		if err := overlay(filepath.Join(s.Dir, name), "/etc/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// overlay puts a file of one's own over one of the system.
func overlay(own, system, text string) error {
	if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
		return err
	}
	at, err := filepath.EvalSymlinks(system)
	if errors.Is(err, os.ErrNotExist) {
		return nil // who reads it finds none, and nobody's else
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(own, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("%s: %w", system, err)
	}
	return nil
}

// AddAddress makes an address one of the outer namespace; a second time does nothing.
func (s *Machine) AddAddress(ip netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if ip.IsLoopback() {
		return nil
	}
	err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(ip, ip.BitLen()), Flags: noDAD(ip)})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("address %v: %w", ip, err)
	}
	return nil
}

// noDAD makes an IPv6 address usable at once: there is nobody to share it with.
func noDAD(ip netip.Addr) int {
	if ip.Is6() {
		return unix.IFA_F_NODAD
	}
	return 0
}

// Drop loses every SYN to the addresses, and to no others.
func (s *Machine) Drop(to []netip.AddrPort) error {
	if s.nft == nil {
		c, err := nftables.New()
		if err != nil {
			return fmt.Errorf("dropping SYNs: %w", err)
		}
		s.nft = c
		s.table = c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "faildrill"})
		s.input = c.AddChain(&nftables.Chain{
			Name: "input", Table: s.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
	} else {
		s.nft.FlushChain(s.input)
	}
	for _, a := range to {
		s.nft.AddRule(&nftables.Rule{Table: s.table, Chain: s.input, Exprs: dropSYN(a)})
	}
	if err := s.nft.Flush(); err != nil {
		return fmt.Errorf("dropping SYNs: %w", err)
	}
	return nil
}

// The offsets of header fields (RFC 791, 8200, 9293).
const (
	dst4, dst6    = 16, 24
	tcpDst        = 2
	tcpFlags      = 13
	synACK, onSYN = 0x12, 0x02
)

func dropSYN(a netip.AddrPort) []expr.Any {
	ip := a.Addr().Unmap()
	family, offset := byte(unix.NFPROTO_IPV4), uint32(dst4)
	if ip.Is6() {
		family, offset = unix.NFPROTO_IPV6, dst6
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal(family),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(unix.IPPROTO_TCP),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(ip.BitLen() / 8)}, equal(ip.AsSlice()...),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpDst, Len: 2}, equal(binaryutil.BigEndian.PutUint16(a.Port())...),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{synACK}, Xor: []byte{0}}, equal(onSYN),
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

func equal(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
