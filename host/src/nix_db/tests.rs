//! Databases that are written, read back by SQLite and by Nix itself, and joined with those of friends and others.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::process::Command;

use layerwright_packer::Digest;
use layerwright_planner::Plan;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::source::{NodeFilesByName, Source};

fn hash(digit: char) -> NarHash {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn path(name: &str, references: &[&str]) -> ValidPath {
    let references = references.iter().map(|name| format!("{STORE}{name}")).collect();
    ValidPath::new(format!("{STORE}{name}"), hash('1'), 120, references)
}

/// Two paths, one of which refers to itself and the other.
fn sample() -> Vec<ValidPath> {
    vec![path("b-app", &["b-app", "a-lib"]), path("a-lib", &[])]
}

/// Bytes of the database.
fn written(paths: &[ValidPath], base: Option<&[u8]>) -> Result<Vec<u8>, NixDbError> {
    let dir = TempDir::new().unwrap();
    let base = base.map(|database| BaseDatabase { database, log: None });
    write(paths, &[], base, dir.path())?;
    // Nothing is left beside it.
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["db.sqlite", "schema"]);
    Ok(fs::read(dir.path().join("db.sqlite")).unwrap())
}

/// What SQL statements make.
fn made(statements: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("made.sqlite");
    Connection::open(&file).unwrap().execute_batch(statements).unwrap();
    fs::read(&file).unwrap()
}

/// A database with these rows besides, and after its tables are made.
fn with_schema(statements: &str) -> Vec<u8> {
    made(&format!("{}\n{statements}", include_str!("schema.sql")))
}

/// `FROM id path hash ... | referrer reference | drv name path`
fn rows(bytes: &[u8]) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("db.sqlite");
    fs::write(&file, bytes).unwrap();
    let database = Connection::open(&file).unwrap();
    let query = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut all = query(
        "select id || ' ' || path || ' ' || substr(hash, 1, 8) || ' ' || registrationTime || ' ' || narSize || ' '
         || ifnull(deriver, '-') || ' ' || ifnull(ultimate, '-') || ' ' || ifnull(sigs, '-') || ' ' || ifnull(ca, '-')
         from ValidPaths order by id",
    );
    all.extend(query("select referrer || ' -> ' || reference from Refs order by referrer, reference"));
    all.extend(query("select drv || ' ' || id || ' ' || path from DerivationOutputs order by drv, id"));
    let check = query("pragma integrity_check");
    assert_eq!(check, ["ok"]);
    assert!(database.prepare("pragma foreign_key_check").unwrap().query([]).unwrap().next().unwrap().is_none());
    all
}

#[test]
fn rows_are_those_of_nix() {
    let mut paths = sample();
    paths.push(ValidPath {
        deriver: Some("/nix/store/x.drv".into()),
        content_address: Some("fixed:r:sha256:1".into()),
        signatures: Some("key:1 key:2".into()),
        is_ultimate: true,
        outputs: BTreeMap::from([("out".into(), "/nix/store/a-lib".into())]),
        ..path("c.drv", &["a-lib"])
    });
    assert_eq!(
        rows(&written(&paths, None).unwrap()),
        [
            "1 /nix/store/a-lib sha256:1 1 120 - - - -",
            "2 /nix/store/b-app sha256:1 1 120 - - - -",
            "3 /nix/store/c.drv sha256:1 1 120 /nix/store/x.drv 1 key:1 key:2 fixed:r:sha256:1",
            "2 -> 1",
            "2 -> 2",
            "3 -> 1",
            "3 out /nix/store/a-lib",
        ]
    );
}

#[test]
fn bytes_do_not_depend_on_the_order_or_the_way() {
    let paths: Vec<ValidPath> = (0..500)
        .map(|n: u32| {
            let references: Vec<String> = (0..n % 7).map(|back| format!("{:04}", n / (back + 1))).collect();
            path(&format!("{n:04}"), &references.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect();
    let expected = written(&paths, None).unwrap();
    let mut turned = paths.clone();
    turned.reverse();
    turned.iter_mut().for_each(|path| path.references.reverse());
    assert_eq!(written(&turned, None).unwrap(), expected);
    // Half of them from a base.
    let base = written(&paths[..250], None).unwrap();
    assert_eq!(written(&paths[250..], Some(&base)).unwrap(), expected);
    assert_eq!(written(&[], Some(&expected)).unwrap(), expected);
    // Whatever was in the folder before.
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("db.sqlite"), base).unwrap();
    write(&paths, &[], None, dir.path()).unwrap();
    assert_eq!(fs::read(dir.path().join("db.sqlite")).unwrap(), expected);
}

/// A change of these bytes changes images. SQLite's version is in them.
#[test]
fn bytes_are_pinned() {
    assert_eq!(rusqlite::version(), "3.54.1");
    let bytes = written(&sample(), None).unwrap();
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "sha256:802e8100a3c196a577a981e41bd5977aff9b478caa2cbd140972433f745ad0e6"
    );
}

#[test]
fn a_read_only_file_system_can_serve_it() {
    let bytes = written(&sample(), None).unwrap();
    // Versions of the file format for writing and reading: 2 would ask for a log beside it.
    assert_eq!(bytes[18..20], [1, 1]);
    assert_eq!(bytes[16..18], [0x10, 0], "pages of 4096 bytes");
}

#[test]
fn all_that_nix_expects_is_returned() {
    let dir = TempDir::new().unwrap();
    let entries = write(&sample(), &["/nix/store/b-app".into()], None, dir.path()).unwrap();
    let show = |Entry { path, content }: &Entry| match content {
        Content::File { mode, file } => format!("{path} {mode:o} {}", file.file_name().unwrap().to_str().unwrap()),
        Content::Symlink { target } => format!("{path} -> {target}"),
    };
    assert_eq!(
        entries.iter().map(show).collect::<Vec<_>>(),
        [
            "/nix/var/nix/db/db.sqlite 644 db.sqlite",
            "/nix/var/nix/db/schema 644 schema",
            "/nix/var/nix/gcroots/docker/b-app -> /nix/store/b-app",
            "/nix/var/nix/gcroots/profiles -> /nix/var/nix/profiles",
        ]
    );
    assert_eq!(fs::read_to_string(dir.path().join("schema")).unwrap(), "10");
}

#[test]
fn what_would_be_a_damaged_store_is_refused() {
    let refused = |paths: &[ValidPath], roots: &[&str]| {
        let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
        write(paths, &roots, None, TempDir::new().unwrap().path()).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[path("a", &["gone"])], &[]),
        "`/nix/store/a` refers to `/nix/store/gone`, which neither this image nor its base image has in its Nix database"
    );
    assert_eq!(refused(&[path("a", &[]), path("a", &[])], &[]), "`/nix/store/a` is to be registered twice");
    for name in ["/gnu/store/a", "/nix/store/", "/nix/store/..", "/nix/store/a/b", "/nix/store/a\nb", "a"] {
        let other = ValidPath { path: name.into(), ..path("a", &[]) };
        assert!(refused(&[other], &[]).contains("is not in /nix/store"), "{name}");
    }
    assert!(refused(&[path("a", &[])], &["/nix/store/b"]).starts_with("`/nix/store/b` is to be kept"));
    let large = ValidPath { nar_size: u64::MAX, ..path("a", &[]) };
    assert!(refused(&[large], &[]).contains("18446744073709551615 bytes"));
}

#[test]
fn rows_of_a_base_stay_unless_ours_has_the_path() {
    let sql = format!(
        "insert into ValidPaths values (7, '/nix/store/z-base', 'sha256:{0}', 1700000000, '', 3, 1, 'key:1', 'ca');
         insert into ValidPaths values (9, '/nix/store/a-lib', 'sha256:{0}', 1700000000, 'x.drv', null, 0, '', null);
         insert into Refs values (7, 9), (7, 7), (9, 7);
         insert into DerivationOutputs values (7, 'out', '/nix/store/elsewhere')",
        "2".repeat(64)
    );
    assert_eq!(
        rows(&written(&sample(), Some(&with_schema(&sql))).unwrap()),
        [
            "1 /nix/store/a-lib sha256:1 1 120 - - - -",
            "2 /nix/store/b-app sha256:1 1 120 - - - -",
            "3 /nix/store/z-base sha256:2 1 3 - 1 key:1 ca",
            "2 -> 1",
            "2 -> 2",
            "3 -> 1",
            "3 -> 3",
            "3 out /nix/store/elsewhere",
        ]
    );
}

#[test]
fn what_is_still_in_the_log_of_a_base_counts() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("db.sqlite");
    let database = Connection::open(&file).unwrap();
    database.execute_batch("pragma journal_mode = wal").unwrap();
    database.execute_batch(include_str!("schema.sql")).unwrap();
    let row =
        format!("insert into ValidPaths values (1, '/nix/store/z', 'sha256:{}', 1, '', 3, 0, '', '')", "2".repeat(64));
    database.execute_batch(&row).unwrap();
    let [main, log] = ["db.sqlite", "db.sqlite-wal"].map(|name| fs::read(dir.path().join(name)).unwrap());
    let base = BaseDatabase { database: &main, log: Some(&log) };
    let found = base.read(dir.path()).unwrap();
    assert_eq!(found.iter().map(|path| path.path.as_str()).collect::<Vec<_>>(), ["/nix/store/z"]);
    // As Nix leaves it: in the same mode, but with all of it in one file.
    drop(database);
    let main = fs::read(&file).unwrap();
    assert_eq!(main[18..20], [2, 2]);
    assert_eq!(BaseDatabase { database: &main, log: None }.read(dir.path()).unwrap(), found);
}

#[test]
fn schemas_that_do_more_than_hold_rows_are_refused() {
    let refs = "create table Refs (referrer integer, reference integer);";
    let outputs = "create table DerivationOutputs (drv integer, id text, path text);";
    let columns =
        "id integer primary key, path text, deriver text, narSize integer, ultimate integer, sigs text, ca text";
    for (sql, said) in [
        (String::new(), "it has 0 tables `ValidPaths`"),
        (
            "create view ValidPaths as with recursive n(i) as (select 1 union all select i + 1 from n)
             select i as id, 'x' || i as path, '' as hash, '' as deriver, 1 as narSize, 1 as ultimate, '' as sigs,
             '' as ca from n;"
                .into(),
            "`ValidPaths` is no ordinary table",
        ),
        (
            "create virtual table ValidPaths using fts3(id, path, hash, deriver, narSize, ultimate, sigs, ca);".into(),
            "`ValidPaths` is no ordinary table",
        ),
        (
            format!("create table ValidPaths ({columns}, hash text as (hex(zeroblob(30000))));{refs}{outputs}"),
            "its table `ValidPaths` has no column `hash`",
        ),
        (format!("create table ValidPaths ({columns});"), "its table `ValidPaths` has no column `hash`"),
        (
            format!(
                "create table ValidPaths ({columns}, hash text);create view Refs as select 1 as referrer, 1 as reference;"
            ),
            "`Refs` is no ordinary table",
        ),
        (format!("create table ValidPaths ({columns}, hash text);{refs}"), "it has 0 tables `DerivationOutputs`"),
    ] {
        let error = written(&sample(), Some(&made(&sql))).unwrap_err();
        assert!(matches!(&error, NixDbError::BadBase(text) if text.contains(said)), "{sql}\n{error}");
    }
}

#[test]
fn rows_that_nix_would_not_write_are_refused() {
    let hash = format!("'sha256:{}'", "2".repeat(64));
    let valid = |id: &str, path: &str, hash: &str, size: &str| {
        format!("insert into ValidPaths values ({id}, {path}, {hash}, 1, '', {size}, 0, '', '');")
    };
    let good = valid("1", "'/nix/store/z'", &hash, "1");
    for (sql, said) in [
        (valid("1", "'/nix/store/../x'", &hash, "1"), "`/nix/store/../x` is no path in /nix/store"),
        (valid("1", "'/nix/store/x' || char(27)", &hash, "1"), "path \"/nix/store/x\\u{1b}\" is not printable"),
        (valid("1", "x'ff'", &hash, "1"), "a value of column path is no text"),
        (valid("1", "cast(x'2f6e69782f73746f72652fff' as text)", &hash, "1"), "a value of column path is no text"),
        (valid("1", "'/nix/store/z'", "'sha256:1'", "1"), "`/nix/store/z` has the hash `sha256:1`, which is no sha256"),
        (valid("1", "'/nix/store/z'", &hash, "-1"), "`/nix/store/z` has -1 bytes"),
        (valid("1", "'/nix/store/z'", &hash, "'many'"), "a value of column narSize is no integer"),
        (format!("{good} insert into Refs values (1, 2);"), "from row 1 to 2: there is no row 2 in ValidPaths"),
        (format!("{good} insert into Refs values (1, 'x');"), "a value of column reference is no integer"),
        (format!("{good} insert into DerivationOutputs values (2, 'out', '/nix/store/z');"), "no row 2 in ValidPaths"),
        (format!("{good} insert into DerivationOutputs values (1, 'out', '/etc');"), "`/etc` is no path in /nix/store"),
    ] {
        let sql = format!("pragma foreign_keys = off; {}{sql}", include_str!("schema.sql"));
        let error = written(&sample(), Some(&made(&sql))).unwrap_err();
        assert!(matches!(&error, NixDbError::BadBase(text) if text.contains(said)), "{sql}\n{error}");
    }
    // Without an index that would see it, a path may be there twice.
    let twice = "create table ValidPaths (id integer primary key, path text, hash text, deriver text, narSize integer,
        ultimate integer, sigs text, ca text); insert into ValidPaths (path, hash) values ('/nix/store/a', ?), ('/nix/store/a', ?)";
    let error = written(&[], Some(&made(&twice.replace('?', &hash)))).unwrap_err();
    assert!(error.to_string().contains("row 2 of ValidPaths, `/nix/store/a`, is there twice"), "{error}");
    let long = with_schema(&valid("1", "'/nix/store/z'", "hex(zeroblob(40000))", "1"));
    assert!(matches!(written(&[], Some(&long)), Err(NixDbError::UnreadableBase(_))));
}

#[test]
fn what_is_no_database_is_refused() {
    for bytes in [
        &b"not a database, but long enough to be taken for one by its length, which is over a hundred bytes.....\n"[..],
        &[0; 4096],
    ] {
        assert!(matches!(written(&[], Some(bytes)), Err(NixDbError::UnreadableBase(_))));
    }
    // Nothing at all is an empty database to SQLite.
    assert!(matches!(written(&[], Some(b"")), Err(NixDbError::BadBase(_))));
}

/// Whatever is broken in it, the answer is rows or an error, and never a panic or an endless search.
#[test]
fn damaged_databases_end_in_rows_or_errors() {
    let paths: Vec<ValidPath> = (0..200).map(|n| path(&format!("{n:03}"), &[&format!("{:03}", n / 2)])).collect();
    let whole = written(&paths, None).unwrap();
    let dir = TempDir::new().unwrap();
    let mut refused = 0;
    let mut state = 1u64;
    let mut random = |below: usize| {
        // Knuth's constants.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..400 {
        let mut damaged = whole.clone();
        for _ in 0..1 + round % 8 {
            // Mostly where pages begin, with what tells how to read them.
            let page = random(whole.len() / 4096) * 4096;
            let at = page + if random(2) == 0 { random(120) } else { random(4096) };
            damaged[at] = u8::try_from(random(256)).unwrap();
        }
        if random(8) == 0 {
            damaged.truncate(random(whole.len()));
        }
        refused += u32::from(BaseDatabase { database: &damaged, log: None }.read(dir.path()).is_err());
    }
    assert!(refused > 50, "{refused}");
}

/// Nix's own program, with a store below `root`.
fn nix_store(root: &Path, arguments: &[&str]) -> String {
    run_nix("nix-store", root, arguments)
}

fn run_nix(program: &str, root: &Path, arguments: &[&str]) -> String {
    let store = format!("local?root={}", root.display());
    let mut command = Command::new(program);
    command.env("NIX_CONF_DIR", root).env("HOME", root).args(["--option", "build-users-group", "", "--store", &store]);
    let output = command.args(arguments).output().expect("this test needs Nix: apt-get install nix-bin");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A store with three paths, the last of which refers to the others, as Nix registers them.
struct RealStore {
    root: TempDir,
    paths: [String; 3],
}

impl RealStore {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let source = root.path().join("source");
        fs::create_dir(&source).unwrap();
        let add = |name: &str, text: &str| {
            fs::write(source.join(name), text).unwrap();
            nix_store(root.path(), &["--add", source.join(name).to_str().unwrap()])
        };
        let [one, two] = [add("one", "1"), add("two", "2")];
        let three = add("three", &format!("{one} {two}"));
        Self { root, paths: [one, two, three] }
    }

    fn database(&self) -> PathBuf {
        self.root.path().join("nix/var/nix/db/db.sqlite")
    }

    /// As a graph or Nix tells them, the last with references to all three.
    fn valid_paths(&self) -> Vec<ValidPath> {
        let valid = |path: &String| {
            let hash = nix_store(self.root.path(), &["--query", "--hash", path]).parse().unwrap();
            let size = nix_store(self.root.path(), &["--query", "--size", path]).parse().unwrap();
            let references = if *path == self.paths[2] { self.paths.to_vec() } else { Vec::new() };
            ValidPath::new(path.clone(), hash, size, references)
        };
        self.paths.iter().map(valid).collect()
    }

    /// Leaves the paths, and puts what was returned in the place of all else that Nix knows.
    fn restart_with(&self, entries: &[Entry]) {
        fs::remove_dir_all(self.root.path().join("nix/var")).unwrap();
        for directory in DIRECTORIES {
            fs::create_dir_all(self.root.path().join(directory.strip_prefix('/').unwrap())).unwrap();
        }
        for Entry { path, content } in entries {
            let at = self.root.path().join(path.strip_prefix('/').unwrap());
            match content {
                Content::File { file, .. } => drop(fs::copy(file, &at).unwrap()),
                Content::Symlink { target } => symlink(target, &at).unwrap(),
            }
        }
    }

    /// That nothing is wrong, missing or forgotten.
    fn check(&self) {
        let root = self.root.path();
        assert_eq!(nix_store(root, &["--verify", "--check-contents"]), "");
        let [one, two, three] = &self.paths;
        let mut expected = self.paths.to_vec();
        expected.sort();
        assert_eq!(nix_store(root, &["--query", "--references", three]), expected.join("\n"));
        assert_eq!(nix_store(root, &["--query", "--referrers", one]), *three);
        assert_eq!(nix_store(root, &["--query", "--references", two]), "");
        assert_eq!(nix_store(root, &["--query", "--requisites", three]).lines().count(), 3);
    }
}

fn schema_of(database: &Path) -> Vec<String> {
    let database = Connection::open(database).unwrap();
    let mut statement =
        database.prepare("select type, name, ifnull(sql, '') from sqlite_schema order by name").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let [kind, name, sql] = [0, 1, 2].map(|column| row.get::<_, String>(column).unwrap());
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        Ok(format!("{kind} {name} {}", words.replace("( ", "(").replace(" )", ")")))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[test]
fn tables_are_those_that_nix_makes() {
    let store = RealStore::new();
    let dir = TempDir::new().unwrap();
    write(&sample(), &[], None, dir.path()).unwrap();
    assert_eq!(schema_of(&dir.path().join("db.sqlite")), schema_of(&store.database()));
    let schema = fs::read_to_string(store.root.path().join("nix/var/nix/db/schema")).unwrap();
    assert_eq!(schema, SCHEMA);
}

#[test]
fn nix_accepts_it_and_finds_nothing_wrong() {
    let store = RealStore::new();
    let dir = TempDir::new().unwrap();
    let entries = write(&store.valid_paths(), &store.paths[2..], None, dir.path()).unwrap();
    store.restart_with(&entries);
    store.check();
    // Roots keep what they need, and nothing else does.
    let dead = nix_store(store.root.path(), &["--gc", "--print-dead"]);
    assert_eq!(dead.lines().filter(|line| line.starts_with(STORE)).count(), 0, "{dead}");
}

#[test]
fn nix_accepts_what_it_told_itself() {
    let store = RealStore::new();
    let root = store.root.path();
    let expression = r#"let one = builtins.toFile "one" "1"; in builtins.toFile "both" "${one}""#;
    let both =
        run_nix("nix-instantiate", root, &["--eval", "--read-write-mode", "--expr", expression]).replace('"', "");
    let one = nix_store(root, &["--query", "--references", &both]);
    let read = Source::Nix(vec![both.clone().into()]).read(root, &BTreeSet::new(), &[]).unwrap();
    let told = read.files.valid_paths(&read.closure, root).unwrap();
    assert_eq!(told.len(), 2);
    // The same for a plan from a file, which tells the names only.
    let plan = Plan::from_store_layers(&format!(r#"[["{one}"], ["{both}"]]"#)).unwrap();
    let files = NodeFilesByName::of_plan(&plan, root, &[]).unwrap();
    assert_eq!(files.valid_paths(plan.closure(), root).unwrap(), told);

    let dir = TempDir::new().unwrap();
    store.restart_with(&write(&told, std::slice::from_ref(&both), None, dir.path()).unwrap());
    assert_eq!(nix_store(root, &["--verify", "--check-contents"]), "");
    assert_eq!(nix_store(root, &["--query", "--references", &both]), one);
}

#[test]
fn outputs_of_derivations_are_those_that_nix_registers() {
    let store = RealStore::new();
    let root = store.root.path();
    let expression = root.join("two.nix");
    let text =
        r#"derivation { name = "two"; system = "x86_64-linux"; builder = "/bin/sh"; outputs = [ "out" "dev" ]; }"#;
    fs::write(&expression, text).unwrap();
    let drv = run_nix("nix-instantiate", root, &[expression.to_str().unwrap()]);
    let database = fs::read(store.database()).unwrap();
    let log = fs::read(store.database().with_file_name("db.sqlite-wal")).ok();
    let base = BaseDatabase { database: &database, log: log.as_deref() };
    let registered = base.read(root).unwrap().into_iter().find(|path| path.path == drv).unwrap();
    assert_eq!(registered.outputs.keys().collect::<Vec<_>>(), ["dev", "out"]);

    let file = root.join("graph.json");
    let entry = format!(r#"{{"path": "{drv}", "narSize": 1, "narHash": "{}", "references": []}}"#, hash('1'));
    fs::write(&file, format!("[{entry}]")).unwrap();
    let read = Source::Graph { file, key: None }.read(root, &BTreeSet::new(), &[]).unwrap();
    let ours = read.files.valid_paths(&read.closure, root).unwrap();
    assert_eq!(ours[0].outputs, registered.outputs);
}

#[test]
fn nix_accepts_what_was_joined_with_its_own() {
    let store = RealStore::new();
    let base = fs::read(store.database()).unwrap();
    let dir = TempDir::new().unwrap();
    let ours = &store.valid_paths()[1..];
    let base = BaseDatabase { database: &base, log: None };
    store.restart_with(&write(ours, &store.paths[2..], Some(base), dir.path()).unwrap());
    store.check();
    // A hash that does not fit would have been seen.
    let wrong = [ValidPath { nar_hash: hash('3'), ..ours[0].clone() }, ours[1].clone()];
    store.restart_with(&write(&wrong, &[], Some(base), dir.path()).unwrap());
    let output = Command::new("nix-store")
        .args(["--store", &format!("local?root={}", store.root.path().display()), "--verify", "--check-contents"])
        .output()
        .unwrap();
    assert!(!output.status.success());
}
