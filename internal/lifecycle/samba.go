package lifecycle

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/directory/samba"
	"latchkey/internal/store"
)

// NewSamba is the Samba engine as the worker asks it: addresses are those that domain controllers may use, count is how
// many of them a new directory gets.
func NewSamba(engine *samba.Engine, addresses []netip.Addr, count int) Engine {
	return sambaEngine{engine, addresses, count}
}

type sambaEngine struct {
	*samba.Engine
	addresses []netip.Addr
	count     int
}

func (e sambaEngine) Controllers() int { return e.count }

func (e sambaEngine) Place(taken []string) (string, error) {
	for _, address := range e.addresses {
		if !slices.Contains(taken, address.String()) {
			return address.String(), nil
		}
	}
	return "", fmt.Errorf("%w: all %d that they may use are taken (name more with --samba-address, or give a directory fewer domain controllers with --samba-controllers)", ErrAddresses, len(e.addresses))
}

// controllersOf is the domain controllers that the record wants to be there.
func controllersOf(record store.Directory) ([]samba.Controller, error) {
	var list []samba.Controller
	for _, c := range record.Controllers {
		address, err := netip.ParseAddr(c.Address)
		if err != nil {
			return nil, fmt.Errorf("domain controller %s: %w", c.Host, err)
		}
		if c.Stage != Deleting {
			list = append(list, samba.Controller{Host: c.Host, Address: address})
		}
	}
	return list, nil
}

func (e sambaEngine) Create(ctx context.Context, record store.Directory, domain directory.Domain, password []byte) error {
	list, err := controllersOf(record)
	if err != nil {
		return err
	}
	if err := e.Provision(ctx, domain, list); err != nil {
		return err
	}
	conn, err := e.Conn(record.ID)
	if err != nil {
		return err
	}
	if err := directory.LayOut(ctx, conn, domain, password); err != nil {
		return err
	}
	return directory.Delegate(ctx, conn, domain)
}

func (e sambaEngine) Serve(ctx context.Context, record store.Directory, domain directory.Domain) error {
	list, err := controllersOf(record)
	if err != nil {
		return err
	}
	e.SetPriority(record.ID, tlsPriority(record))
	return e.Engine.Serve(ctx, domain, list)
}

func (e sambaEngine) Health(id string) []Health {
	var list []Health
	for _, h := range e.Engine.Health(id) {
		list = append(list, Health{h.Host, h.Up, h.Reason})
	}
	return list
}

// Snapshot implements Snapshotter, by Samba's own backup.
func (e sambaEngine) Snapshot(ctx context.Context, record store.Directory, _ directory.Domain, id string) error {
	return e.Engine.Snapshot(ctx, record.ID, id)
}

// Restore implements Snapshotter. The domain controllers keep their ids and addresses, and get new names.
func (e sambaEngine) Restore(ctx context.Context, record *store.Directory, domain directory.Domain, id string) error {
	list, err := controllersOf(*record)
	if err != nil {
		return err
	}
	fresh, err := e.Engine.Restore(ctx, domain, list, id)
	if err != nil {
		return err
	}
	staying := slices.DeleteFunc(slices.Clone(record.Controllers), func(c store.Controller) bool { return c.Stage == Deleting })
	for i, c := range fresh {
		staying[i].Host, staying[i].Stage, staying[i].StageReason = c.Host, Active, ""
	}
	record.Controllers = staying
	return nil
}

// DeleteSnapshot implements Snapshotter.
func (e sambaEngine) DeleteSnapshot(_ context.Context, record store.Directory, id string) error {
	return e.Engine.DeleteSnapshot(record.ID, id)
}
