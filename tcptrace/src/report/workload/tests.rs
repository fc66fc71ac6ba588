//! Paths as hosts have them. `ID`, `OTHER`, `UID` and `U_ID` stand for what they are too long to be written out.

use super::*;

const ID: &str = "3f4e1a5b6c7d8e9f00112233445566778899aabbccddeeff0123456789abcdef";
const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";
const UID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

type Case = (&'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>, Option<&'static str>);

/// Path, unit, container, runtime, pod.
const CASES: &[Case] = &[
    ("", None, None, None, None),
    ("/", None, None, None, None),
    ("/system.slice", None, None, None, None),
    ("/init.scope", Some("init.scope"), None, None, None),
    ("/system.slice/nginx.service", Some("nginx.service"), None, None, None),
    ("/system.slice/nginx.service (deleted)", Some("nginx.service"), None, None, None),
    ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service"), None, None, None),
    ("/system.slice/nginx.service/workers", Some("nginx.service"), None, None, None),
    ("/user.slice/user-0.slice/session-3.scope", Some("session-3.scope"), None, None, None),
    (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome\\x2dterminal-7.scope",
        Some("app-gnome-terminal-7.scope"),
        None,
        None,
        None,
    ),
    ("/system.slice/a\\x1b[2J\\xff\\x2.service", Some("a\u{fffd}[2J\u{fffd}\\x2.service"), None, None, None),
    ("/system.slice/caf\\xc3\\xa9.service", Some("café.service"), None, None, None),
    ("/.service/.scope", None, None, None, None),
    // docker
    ("/system.slice/docker-ID.scope", None, Some("ID"), Some("docker"), None),
    ("/docker/ID", None, Some("ID"), Some("docker"), None),
    ("docker/ID", None, Some("ID"), Some("docker"), None),
    ("12:memory:/docker/ID\n", None, Some("ID"), Some("docker"), None),
    ("/docker/ID/system.slice/cron.service", Some("cron.service"), Some("ID"), Some("docker"), None),
    ("/system.slice:docker:ID", None, Some("ID"), Some("docker"), None),
    ("/system.slice/docker.service", Some("docker.service"), None, None, None),
    ("/system.slice/docker-short.scope", Some("docker-short.scope"), None, None, None),
    // containerd
    ("/system.slice/cri-containerd-ID.scope", None, Some("ID"), Some("containerd"), None),
    ("/system.slice/nerdctl-ID.scope", None, Some("ID"), Some("containerd"), None),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope",
        None,
        Some("ID"),
        Some("containerd"),
        Some("UID"),
    ),
    (
        "/system.slice/containerd.service/kubepods-besteffort-podU_ID.slice:cri-containerd:ID",
        Some("containerd.service"),
        Some("ID"),
        Some("containerd"),
        Some("UID"),
    ),
    // Without systemd: whose it is, the path does not say.
    ("/kubepods/burstable/podUID/ID", None, Some("ID"), None, Some("UID")),
    ("/kubepods/podUID/ID", None, Some("ID"), None, Some("UID")),
    ("/kubepods/pod00000000000000000000000000000abc", None, None, None, Some("00000000000000000000000000000abc")),
    // CRI-O
    ("/kubepods.slice/kubepods-podU_ID.slice/crio-ID.scope", None, Some("ID"), Some("cri-o"), Some("UID")),
    ("/kubepods/besteffort/podUID/crio-ID", None, Some("ID"), Some("cri-o"), Some("UID")),
    ("/system.slice/crio-conmon-ID.scope", Some("crio-conmon-ID.scope"), None, None, None),
    // podman
    ("/machine.slice/libpod-ID.scope/container", None, Some("ID"), Some("podman"), None),
    (
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        Some("user@1000.service"),
        Some("ID"),
        Some("podman"),
        None,
    ),
    ("/system.slice/web.service/libpod-payload-ID", Some("web.service"), Some("ID"), Some("podman"), None),
    // A cluster in a container: the innermost counts.
    (
        "/docker/OTHER/kubelet.slice/kubelet-kubepods.slice/podUID/cri-containerd-ID.scope",
        None,
        Some("ID"),
        Some("containerd"),
        Some("UID"),
    ),
    ("/../../kubepods-pod1.slice/pod/podx", None, None, None, None),
];

fn spelled(text: &str) -> String {
    let u_id = UID.replace('-', "_");
    text.replace("OTHER", OTHER).replace("U_ID", &u_id).replace("UID", UID).replace("ID", ID)
}

#[test]
fn paths_say_what_runs_there() {
    for (path, unit, container, runtime, pod_uid) in CASES {
        let path = spelled(path);
        let expected = [*unit, *container, *runtime, *pod_uid].map(|text| text.map(spelled));
        let found = Workload::of(&path);
        let found = [
            found.unit.map(Cow::into_owned),
            found.container.map(str::to_owned),
            found.runtime.map(str::to_owned),
            found.pod_uid,
        ];
        assert_eq!(found, expected, "{path}");
    }
}

/// Pieces of paths in any order, and cut anywhere: nothing panics, nothing is made up.
#[test]
fn any_text_is_read() {
    let pieces = [
        "/",
        "docker",
        "-",
        ID,
        ".scope",
        ".service",
        "kubepods",
        "-pod",
        "pod",
        UID,
        ".slice",
        ":",
        "\\x",
        "\\x2d",
        "\u{1b}",
        "é",
        "\0",
        " (deleted)",
        "crio",
        "\n",
        "x",
    ];
    let mut seed = 1_u64;
    let mut next = || {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap()
    };
    for _ in 0..20_000 {
        let mut text: String = (0..next() % 9).map(|_| pieces[next() % pieces.len()]).collect();
        let mut end = next() % (text.len() + 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        let found = Workload::of(&text);
        assert!(found.container.is_none_or(|id| id.len() == ID_LEN && text.contains(id)), "{text:?}");
        assert!(found.unit.is_none_or(|unit| !unit.contains(char::is_control)), "{text:?}");
        assert!(found.container.is_some() || found.runtime.is_none(), "{text:?}");
        assert!(found.pod_uid.is_none_or(|uid| uid.len() == 36 || uid.len() == 32), "{text:?}");
    }
}
