package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Calls into parts of the kernel that no desktop program needs and that have
// let people out of sandboxes before. They fail with EPERM, as they would
// without the capabilities; a user namespace made inside the sandbox, which
// Chromium's own sandbox is built from and which therefore stays allowed,
// would otherwise open them again.
var refused = []uint32{
	// mounting
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_SETNS, unix.SYS_QUOTACTL,
	// the kernel's keys, programs, tracing and modules
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	// the machine
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SYSLOG, unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY,
	unix.SYS_CLOCK_SETTIME, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_VHANGUP,
}

// absent fail with ENOSYS, upon which programs take the way they took before
// the call existed.
var absent = []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}

// Socket families that network namespaces do not contain (vsock reaches the
// machine's own host) or that expose rarely used parts of the kernel.
var refusedFamilies = []uint32{unix.AF_VSOCK, unix.AF_ALG, unix.AF_BLUETOOTH, unix.AF_PACKET, unix.AF_TIPC, unix.AF_RDS, unix.AF_XDP}

// Where things stand in struct seccomp_data (seccomp(2)): the call's number, the
// architecture, and the low half of argument n on a little-endian machine.
const (
	offsetNumber       = 0
	offsetArchitecture = 4
)

func offsetArgument(n uint32) uint32 { return 16 + 8*n }

// x32Bit marks calls of amd64's 32-bit-pointer variant, which would pass by
// the list under other numbers.
const x32Bit = 0x40000000

// seccompFilter returns the program for bwrap --seccomp: nothing but the
// machine's own call convention, and of that not what is listed above.
func seccompFilter() ([]byte, error) {
	architectures := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}
	architecture, known := architectures[runtime.GOARCH]
	if !known {
		return nil, fmt.Errorf("no seccomp filter for %s", runtime.GOARCH)
	}
	const eperm, enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	answer := func(value uint32) bpf.Instruction { return bpf.RetConstant{Val: value} }
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArchitecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		answer(enosys),
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	if runtime.GOARCH == "amd64" {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1}, answer(enosys))
	}
	for _, call := range refused {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, answer(eperm))
	}
	for _, call := range absent {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, answer(enosys))
	}
	// socket(family, type, protocol)
	program = append(program,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_SOCKET, SkipTrue: 1}, answer(unix.SECCOMP_RET_ALLOW),
		bpf.LoadAbsolute{Off: offsetArgument(0), Size: 4})
	for _, family := range refusedFamilies {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: family, SkipTrue: 1}, answer(eperm))
	}
	program = append(program,
		// Netfilter's tables: the usual way up from a user namespace.
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_NETLINK, SkipTrue: 1}, answer(unix.SECCOMP_RET_ALLOW),
		bpf.LoadAbsolute{Off: offsetArgument(2), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.NETLINK_NETFILTER, SkipTrue: 1}, answer(eperm),
		answer(unix.SECCOMP_RET_ALLOW))
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assembling the seccomp filter: %w", err)
	}
	var text bytes.Buffer
	err = binary.Write(&text, binary.NativeEndian, raw) // struct sock_filter has the same layout
	return text.Bytes(), err
}
