//! Tables as DuckDB reads them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    flat::{CAPTURES, FORMATS, Flat, TABLES, capture, expected, export},
    support::Folder,
};

/// Where `cargo xtask setup` has put DuckDB.
fn packages() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/python");
    env::var_os("TCPTRACE_PYTHON_PACKAGES").map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// What Python prints, which has DuckDB.
fn python(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut python = Command::new("python3");
    python.args(arguments).current_dir(folder).env("PYTHONPATH", packages());
    let output = python.output().context("cannot start python3: run `cargo xtask setup`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!said.contains("No module named 'duckdb'"), "DuckDB is missing: run `cargo xtask setup`");
    ensure!(output.status.success(), "python3 {arguments:?}: {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn duckdb_reads_what_a_replay_says() -> Result<()> {
    let folder = Folder::new()?;
    let mut script = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/export/read_back.py").to_owned()];
    let mut wanted: Vec<(String, Vec<Flat>)> = Vec::new();
    for name in CAPTURES {
        for format in FORMATS {
            export(&capture(name), &folder.file(name), format, &[])?.expect_code(0)?;
        }
        for table in TABLES {
            let rows = expected(&capture(name), table, &[])?;
            for format in FORMATS {
                let file = format!("{name}.{table}.{format}");
                script.push(file.clone());
                wanted.push((file, rows.clone()));
            }
        }
    }
    let arguments: Vec<&str> = script.iter().map(String::as_str).collect();
    let printed = python(&folder.file(""), &arguments)?;
    ensure!(printed.lines().count() == wanted.len(), "not a line for each table");
    for (line, (file, wanted)) in printed.lines().zip(&wanted) {
        let rows: Vec<Flat> = serde_json::from_str(line)?;
        ensure!(rows.len() == wanted.len(), "{file}: {} rows and not {}", rows.len(), wanted.len());
        for (row, wanted) in rows.iter().zip(wanted) {
            ensure!(row == wanted, "{file}:\n  is     {row:?}\n  should {wanted:?}");
        }
    }
    Ok(())
}

#[test]
fn parquet_says_where_it_is_from() -> Result<()> {
    let folder = Folder::new()?;
    let out = folder.file("fleet");
    export(&capture("orderly"), &out, "parquet", &["closes.cap", "--table", "closes"])?.expect_code(0)?;
    let query = "select key::varchar, value::varchar from parquet_kv_metadata('fleet.closes.parquet') order by 1";
    let printed =
        python(&folder.file(""), &["-c", &format!("import duckdb; print(duckdb.sql(\"{query}\").fetchall())")])?;
    for words in ["('tcptrace.host', 'demo,demo')", "'tcptrace.kernel_release'", "('tcptrace.schema', '1')"] {
        ensure!(printed.contains(words), "no {words} in {printed}");
    }
    ensure!(printed.contains(&format!("('tcptrace.version', '{}')", env!("CARGO_PKG_VERSION"))), "{printed}");
    Ok(())
}

/// Those under the heading DuckDB: as they stand there, with the files that they name.
#[test]
fn the_queries_of_the_documentation_work() -> Result<()> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/export.md"))?;
    let (_, section) = text.split_once("\n## DuckDB\n").context("no section on DuckDB")?;
    let section = section.split("\n## ").next().context("no section")?;
    let queries: Vec<&str> =
        section.split("```sql\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0)).collect();
    ensure!(queries.len() >= 3, "only {} queries", queries.len());
    let folder = Folder::new()?;
    for (host, name) in [("web1", "closes"), ("web2", "looks")] {
        for format in FORMATS {
            export(&capture(name), &folder.file(host), format, &[])?.expect_code(0)?;
        }
    }
    for query in queries {
        // Times with a zone come to Python through a package of its own, which nothing here needs: counted by DuckDB.
        let script = "import duckdb, sys; duckdb.sql('create table t as ' + sys.argv[1]); \
                      print(duckdb.sql('select count(*) from t').fetchall()[0][0])";
        let rows = python(&folder.file(""), &["-c", script, query]).with_context(|| query.to_owned())?;
        ensure!(rows.trim_end() != "0", "no rows: {query}");
    }
    Ok(())
}
