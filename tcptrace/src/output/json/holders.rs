//! Who holds a socket, and what the path of their cgroup says of where they run.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::{Holder, Holders};
use crate::report::Cgroup;

/// `pid`, `comm`, `fd`, `cgroup`, and `unit`, `container` and `pod` where the path names them.
pub(super) struct HolderObject<'a>(pub(super) &'a Holder);

impl Serialize for HolderObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Holder { pid, comm, fd, cgroup } = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("pid", pid)?;
        object.serialize_entry("comm", comm)?;
        object.serialize_entry("fd", fd)?;
        object.serialize_entry("cgroup", cgroup)?;
        for (name, value) in workload(cgroup) {
            object.serialize_entry(name, &value)?;
        }
        object.end()
    }
}

/// Several of them.
pub(super) fn objects(holders: &[Holder]) -> Vec<HolderObject<'_>> {
    holders.iter().map(HolderObject).collect()
}

/// All that was found.
pub(super) struct HoldersObject<'a>(pub(super) &'a Holders);

impl Serialize for HoldersObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Holders { list, total, in_epoll, partial } = self.0;
        let mut object = serializer.serialize_map(Some(4))?;
        object.serialize_entry("list", &objects(list))?;
        object.serialize_entry("total", total)?;
        object.serialize_entry("in_epoll", in_epoll)?;
        object.serialize_entry("partial", partial)?;
        object.end()
    }
}

/// Unit, container and pod, as far as a path names them.
pub(super) fn workload(path: &str) -> Vec<(&'static str, String)> {
    let Cgroup { unit, container, pod, .. } = Cgroup::of(path.to_owned());
    let named = [("unit", unit), ("container", container), ("pod", pod)];
    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_named() {
        let id = "0123456789abcdef".repeat(4);
        let cgroup = format!("/system.slice/docker-{id}.scope");
        let holder = Holder { pid: 7, comm: "a".to_owned(), fd: 3, cgroup: cgroup.clone() };
        let text = serde_json::to_string(&HolderObject(&holder)).unwrap();
        assert_eq!(text, format!(r#"{{"pid":7,"comm":"a","fd":3,"cgroup":"{cgroup}","container":"{id}"}}"#));
        assert_eq!(workload("/system.slice/nginx.service"), [("unit", "nginx.service".to_owned())]);
        assert!(workload("/").is_empty());
    }
}
