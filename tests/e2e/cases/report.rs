//! Reports, in a real browser: what is read of them, with keys and clicks, and that they run and fetch nothing else.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use super::simulate::history;
use crate::browser::{Browser, Key, Scheme};
use crate::case::{Case, case};
use crate::hand_made::{HandMade, graph_of};
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(a_report_of_real_packages_opens_and_is_searched, Chromium, Debian, Git),
    case!(what_if_says_what_explain_says, Chromium),
    case!(keys_alone_lead_everywhere, Chromium),
    case!(what_is_selected_is_in_sight, Chromium),
    case!(dark_and_light_follow_the_system_and_the_reader, Chromium),
    case!(a_printed_page_has_the_marks_of_the_map, Chromium),
    case!(hostile_names_are_texts, Chromium),
    case!(nothing_else_runs_or_is_fetched, Chromium),
    case!(a_simulation_has_a_line_for_each_run, Chromium),
    case!(all_of_many_runs_are_shown_when_asked_for, Chromium),
    case!(a_comparison_tells_kept_layers_from_new_ones, Chromium),
    case!(images_are_drawn_as_far_as_they_tell, Chromium),
    case!(ten_thousand_paths_are_searched, Chromium),
    case!(too_many_nodes_are_not_drawn, Chromium),
    case!(little_is_shown_where_there_is_little, Chromium),
    case!(changes_are_those_of_the_history),
    case!(a_report_comes_beside_other_results),
    case!(a_report_is_written_to_a_place_of_its_own_or_not_at_all),
];

/// Writes the report of a plan and returns where it is.
fn plan_report(folder: &Folder, graph: &Value, more: &[&str]) -> Result<String> {
    let (source, report) = (folder.write("graph.json", graph.to_string())?, folder.path("report.html"));
    let plan = ["plan", "--from", &format!("graph:{source}"), "-o", &folder.path("plan.json"), "--report", &report];
    layerwright(&plan).args(more).ok()?.says(&["wrote ", "report.html"])?;
    Ok(report)
}

/// Finds nodes by a part of their name, with keys alone, and selects the first.
fn search(browser: &mut Browser, text: &str) -> Result<()> {
    let is_there = "document.activeElement.id === 'search'";
    // What was typed before goes; elsewhere it would be the selection.
    let key = if browser.value(is_there)? == true { Key::Escape } else { Key::Slash };
    browser.press(key)?;
    browser.holds(is_there)?;
    browser.write(text)?;
    browser.eventually("document.querySelectorAll('#search-results [role=option]').length > 0")?;
    browser.press(Key::ArrowDown)?;
    browser.press(Key::Enter)?;
    browser.eventually("document.querySelector('#what-if') !== null")
}

/// The data of a page, as a browser finds it.
fn data_of(report: &str) -> Result<Value> {
    let page = fs::read_to_string(report)?;
    let (_, data) = page.split_once(r#"id="data">"#).context("the page has data")?;
    let (data, _) = data.split_once("</script>").context("the data end")?;
    Ok(serde_json::from_str(data)?)
}

fn a_report_of_real_packages_opens_and_is_searched() -> Result<()> {
    let folder = Folder::new()?;
    let report = folder.path("git.html");
    let plan = ["plan", "--from", "dpkg:git", "--max-layers", "20", "--format", "table", "--report", &report];
    let told = layerwright(&plan).ok()?;
    let totals = told.text()?.lines().last().context("a table ends with totals")?.to_owned();
    let size = totals.split(", ").nth(1).context("totals tell a size")?;

    let mut browser = Browser::open(&report, Scheme::Light)?;
    let summary = browser.text_of("#summary")?;
    ensure!(summary.contains(size) && summary.contains("20"), "{summary} should tell {totals}");
    browser.holds("document.querySelectorAll('#layers tbody tr').length === 20")?;
    search(&mut browser, "libc6")?;
    let details = browser.text_of("#details")?;
    ensure!(details.contains("libc6"), "{details}");
    // Another version of a package renames nothing.
    let what_if = browser.text_of("#what-if")?;
    ensure!(what_if.contains("1 layer of 20") && what_if.contains("1 package"), "{what_if}");
    browser.is_content()
}

fn what_if_says_what_explain_says() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(300), &["--max-layers", "9"])?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    for name in ["h40-node-40", "h299-node-299", "h3-node-3"] {
        let explain = ["explain", "--plan", &folder.path("plan.json"), name];
        let told = layerwright(&explain).args(["--json"]).ok()?.json()?;
        let text = layerwright(&explain).ok()?.text()?.to_owned();
        // The last line ends with `(SIZE) and re-sends N layers (SIZE)`.
        let sizes: Vec<&str> = text.split('(').rev().take(2).filter_map(|rest| Some(rest.split_once(')')?.0)).collect();

        search(&mut browser, name)?;
        let what_if = browser.text_of("#what-if")?;
        let answer = browser.text_of("#answer")?;
        ensure!(answer.contains(sizes[0]), "{name}: {answer}");
        let (layers, nodes) = (&told["update"]["layers"], &told["update"]["nodes"]);
        let count = layers.as_array().context("layers")?.len();
        for part in [sizes[0], sizes[1], &format!("{count} layer"), &format!("{nodes} path")] {
            ensure!(what_if.contains(part), "{name}: expected `{part}` in\n{what_if}\nafter\n{text}");
        }
        let listed = "[...document.querySelectorAll('#what-if .rows button')].map(row => parseInt(row.textContent)).sort((a, b) => a - b)";
        let listed = browser.value(listed)?;
        ensure!(listed == *layers, "{name}: {listed} and {layers}");
    }

    // Without a selection there is a list of what costs most.
    browser.press(Key::Escape)?;
    browser.value("document.querySelector('#treemap').focus()")?;
    browser.press(Key::Escape)?;
    let first = browser.text_of("#details .rows li:first-child")?;
    browser.click("#details .rows li:first-child button")?;
    let what_if = browser.text_of("#what-if .figure strong")?;
    ensure!(first.ends_with(&what_if), "{first}: {what_if}");
    browser.is_content()
}

fn keys_alone_lead_everywhere() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(60), &["--max-layers", "6"])?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    let whole = browser.text_of("#trail")?;

    browser.tab_to("#treemap")?;
    browser.press(Key::ArrowRight)?;
    browser.press(Key::ArrowDown)?;
    browser.press(Key::Enter)?;
    let inside = browser.text_of("#trail")?;
    ensure!(inside != whole && inside.contains("layer"), "{inside}");
    browser.press(Key::Enter)?;
    let details = browser.text_of("#details")?;
    ensure!(details.contains("/nix/store/h"), "{details}");
    browser.holds("location.hash.startsWith('#node=')")?;
    browser.press(Key::Escape)?;
    ensure!(browser.text_of("#trail")? == whole);

    // A link of the details leads to another node, a button of the table to a layer.
    browser.tab_to("#details button")?;
    browser.press(Key::Enter)?;
    browser.holds("location.hash !== ''")?;
    browser.tab_to("#layers tbody button")?;
    browser.press(Key::Enter)?;
    browser.holds("location.hash === '#layer=0'")?;
    browser.holds("getComputedStyle(document.activeElement).outlineStyle !== 'none'")?;

    search(&mut browser, "node-7")?;
    browser.press(Key::Escape)?;
    browser.holds("document.querySelector('#search').value === ''")?;
    // The list of matches scrolls, but is no stop.
    browser.write("node")?;
    browser.eventually("document.querySelectorAll('#search-results [role=option]').length > 0")?;
    browser.press(Key::Tab)?;
    browser.holds("document.activeElement.id === 'treemap'")?;
    // What is said of where the pointer is gives way to keys.
    browser.click("#treemap")?;
    browser.holds("!document.querySelector('#tooltip').hidden")?;
    browser.press(Key::ArrowRight)?;
    browser.holds("document.querySelector('#tooltip').hidden")?;
    browser.is_content()
}

fn what_is_selected_is_in_sight() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(60), &["--max-layers", "6"])?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    let in_sight = |selector: &str| {
        format!(
            "(box => box.top >= 0 && box.top < innerHeight - 100)(document.querySelector('{selector}').getBoundingClientRect())"
        )
    };
    for (width, height) in [(1280, 900), (900, 800), (380, 800)] {
        browser.resize(width, height)?;
        browser.holds("document.documentElement.scrollWidth <= document.documentElement.clientWidth")?;
        browser.click("#layers tbody tr:nth-child(2) td:nth-child(2)")?;
        for part in ["#treemap", "#details"] {
            browser.eventually(&in_sight(part))?;
        }
        browser.value("document.querySelector('#details .rows button').click()")?;
        browser.eventually("document.querySelector('#what-if') !== null")?;
        browser.holds(&in_sight("#answer"))?;
        browser.holds(
            "document.querySelector('#details').scrollWidth <= document.querySelector('#details').clientWidth",
        )?;
    }
    browser.is_content()
}

fn dark_and_light_follow_the_system_and_the_reader() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(20), &[])?;
    let mut browser = Browser::open(&report, Scheme::Dark)?;
    let looks = "[document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor, \
                 document.querySelector('#treemap canvas').toDataURL()]";
    let dark = browser.value(looks)?;
    browser.prefer(Scheme::Light)?;
    browser.eventually("document.documentElement.dataset.theme === 'light'")?;
    let light = browser.value(looks)?;
    ensure!((0..3).all(|at| dark[at] != light[at]), "{dark}\n{light}");
    browser.click("#theme")?;
    let chosen = browser.value(looks)?;
    ensure!(chosen == dark, "{chosen}");
    browser.is_content()
}

fn a_printed_page_has_the_marks_of_the_map() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(60), &["--max-layers", "6"])?;
    let mut browser = Browser::open(&report, Scheme::Dark)?;
    search(&mut browser, "node-7")?;
    // Those in which something that is sent again is new, on a light page.
    let marked = "(canvas => { \
                  const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true }); \
                  pen.drawImage(canvas, 0, 0); \
                  return pen.getImageData(0, 0, canvas.width, canvas.height).data \
                  .reduce((count, red, at, data) => count + (at % 4 === 0 && red === 179 && data[at + 1] === 24), 0); }) \
                  (document.querySelector('#treemap canvas'))";
    browser.holds(&format!("{marked} === 0"))?;
    browser.lay_on_paper()?;
    browser.eventually(&format!("{marked} > 100"))?;
    browser.holds("getComputedStyle(document.querySelectorAll('#treemap canvas')[1]).display === 'none'")?;
    browser.holds("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")?;
    browser.holds("document.querySelector('#layers').offsetWidth <= document.body.clientWidth")?;
    browser.is_content()
}

fn hostile_names_are_texts() -> Result<()> {
    let names = [
        "</script><img src=x onerror=window.gone=1>",
        "<!--<script>window.gone=1</script>",
        "\u{2028}line\u{2029}",
        "{{script}}",
        "__proto__",
        "\"'&amp;\\u003c",
        "\u{202e}txt.exe",
        "no\u{200b}thing\u{2060}to\u{feff}be\u{61c}seen",
        "\u{34f}\u{115f}\u{17b4}\u{180e}\u{2065}\u{2800}\u{3164}\u{fe0f}\u{ffa0}\u{fff9}\u{1d173}\u{e0041}",
        "שכבה-图层-🦀",
    ];
    // A plan may come from anywhere; what reads graphs is stricter.
    let path = |name: &str| format!("/nix/store/h0-{name}");
    let node = |name: &&str| json!({"name": path(name), "lineage": name, "size": 1000, "references": []});
    let layers: Vec<Value> =
        names.iter().map(|name| json!({"label": "<b>", "planner": null, "nodes": [node(name)]})).collect();
    let plan =
        json!({"format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": [], "layers": layers});
    let folder = Folder::new()?;
    let plan = folder.write("<script>window.gone=1<!--.json", plan.to_string())?;
    let report = folder.path("report.html");
    layerwright(&["compare", &plan, &plan, "--report", &report]).ok()?;
    let data = data_of(&report)?;
    let known = data["images"][0]["nodes"]["names"].as_array().context("names")?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    for name in names.map(path) {
        ensure!(known.contains(&name.as_str().into()), "{name}: {known:?}");
        browser.value(&format!("location.hash = '#node=' + encodeURIComponent({})", json!(name)))?;
        browser.eventually("document.querySelector('#what-if') !== null")?;
        let details = browser.text("document.querySelector('#details').textContent")?;
        // What would turn text around, or not be seen at all, is shown, and does nothing.
        let is_unseen = |c: char| {
            names.iter().take(9).skip(6).any(|name| !c.is_ascii() && name.contains(c)) || "\u{2028}\u{2029}".contains(c)
        };
        let shown = name.replace(is_unseen, "\u{fffd}");
        ensure!(details.contains(&shown), "{shown}: {details}");
        browser.holds(
            "[...document.querySelectorAll('body *:not(script)')].every(element => \
             [element.innerText ?? '', ...[...element.attributes].map(({ value }) => value)] \
             .every(text => !/[\\u2028\\u2029\\u2800\\ufff9\\p{Default_Ignorable_Code_Point}]/u.test(text)))",
        )?;
        browser.value("document.querySelector('#treemap').focus()")?;
        browser.press(Key::Escape)?;
        browser.eventually("document.querySelector('#what-if') === null")?;
    }
    browser.holds("window.gone === undefined && document.querySelector('img') === null")?;
    browser.is_content()
}

/// The policy of the page is in force, and what it forbids is seen by these tests.
fn nothing_else_runs_or_is_fetched() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(5), &[])?;
    for (attempt, directive) in [
        (
            "const s = document.createElement('script'); s.textContent = 'window.gone = 1'; document.body.append(s)",
            "script-src",
        ),
        ("document.body.insertAdjacentHTML('beforeend', '<img src=https://localhost:9/x>')", "default-src"),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')", "style-src"),
        ("fetch('https://localhost:9/x').catch(() => 0)", "default-src"),
    ] {
        let mut browser = Browser::open(&report, Scheme::Light)?;
        browser.is_content()?;
        browser.value(attempt)?;
        browser.holds("window.gone === undefined")?;
        let complaints = browser.complaints()?;
        let is_refused =
            |complaint: &String| complaint.contains("Content Security Policy") && complaint.contains(directive);
        ensure!(complaints.iter().any(is_refused), "{attempt}: {complaints:?}");
    }
    Ok(())
}

fn a_simulation_has_a_line_for_each_run() -> Result<()> {
    let folder = Folder::new()?;
    let (one, two) = (folder.write("one.jsonl", history(9))?, folder.write("two.jsonl", history(4))?);
    let report = folder.path("report.html");
    let simulate =
        ["simulate", "--history", &one, &two, "--planner", "popularity", "auto-layer", "--max-layers", "1", "3"];
    let told = layerwright(&simulate).args(["--json", "--report", &report]).ok()?;
    told.says(&["wrote "])?;
    let results = told.json()?;

    let mut browser = Browser::open(&report, Scheme::Dark)?;
    let lines = "document.querySelectorAll('#curve g.line:not(.floor):not(.single)').length";
    browser.holds(&format!("{lines} === 4"))?;
    browser.holds("document.querySelectorAll('#runs tbody tr').length === 4")?;
    browser.holds("document.querySelectorAll('#runs tbody button').length === 4")?;
    browser.tab_to("#curve")?;
    let value = "document.querySelector('#curve').getAttribute('aria-valuetext')";
    let last = browser.text(value)?;
    browser.press(Key::ArrowRight)?;
    ensure!(last.contains("2026-01-09") && browser.text(value)? == last, "{last}");

    // What is in the page is what was printed.
    let data = data_of(&report)?;
    let runs = data["histories"]
        .as_array()
        .context("histories")?
        .iter()
        .flat_map(|history| history["runs"].as_array().cloned());
    let pulled: Vec<Value> = runs.flatten().map(|run| run["pulled_bytes"].clone()).collect();
    let printed = results["results"].as_array().context("results")?.iter();
    ensure!(pulled == printed.map(|result| result["pulled_bytes_by_update"].clone()).collect::<Vec<_>>(), "{data}");
    ensure!(data["images"].as_array().map(Vec::len) == Some(8), "{data}");
    ensure!(data["images"][0]["name"] == "popularity, at most 1 layer, of one.jsonl", "{data}");
    ensure!(data["histories"][0]["file"] == one.as_str() && data["histories"][0]["since"] == "2026-01-01", "{data}");
    // Of the last image of `one`, app and lib were new.
    let states = |image: usize| {
        data["images"][image]["layers"]
            .as_array()
            .map(|layers| layers.iter().filter(|layer| layer["state"] == "new").count())
    };
    ensure!((states(0), states(2)) == (Some(1), Some(2)), "{data}");
    ensure!(data["images"][2]["nodes"]["changes"] == json!([0, 2, 8]), "{data}");
    browser.is_content()
}

fn all_of_many_runs_are_shown_when_asked_for() -> Result<()> {
    let folder = Folder::new()?;
    let (jsonl, report) = (folder.write("one.jsonl", history(4))?, folder.path("report.html"));
    let limits = ["1", "2", "3", "4", "5", "6", "7"];
    let simulate = ["simulate", "--history", &jsonl, "--report", &report, "--planner", "popularity", "auto-layer"];
    layerwright(&simulate).args(["--max-layers"]).args(limits).ok()?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    let bars = "document.querySelectorAll('#summary .run-bars li').length";
    browser.holds(&format!("{bars} === 12"))?;
    ensure!(browser.text_of("#summary button")? == "and 2 that pulled more");
    browser.click("#summary button")?;
    browser.holds(&format!("{bars} === 14 && document.querySelector('#summary button') === null"))?;
    browser.is_content()
}

fn a_comparison_tells_kept_layers_from_new_ones() -> Result<()> {
    let (mut store, folder) = (HandMade::sample()?, Folder::new()?);
    let (old, new, report) = (folder.path("old.json"), folder.path("new.json"), folder.path("plans.html"));
    layerwright(&["plan", "--from", &store.source()?, "-o", &old]).ok()?;
    store.add("n4-new-4.0", &["d1-data-1.0"])?;
    layerwright(&["plan", "--from", &store.source()?, "-o", &new]).ok()?;
    let told = layerwright(&["compare", &old, &new, "--json", "--report", &report]).ok()?.json()?;
    ensure!(data_of(&report)?["comparison"] == told);
    let mut browser = Browser::open(&report, Scheme::Light)?;
    let states = "[...document.querySelectorAll('#layers tbody tr')].map(row => /kept|new$/m.exec(row.innerText.replaceAll('\\t', '\\n'))?.[0] ?? '').sort()";
    let found = browser.value(states)?;
    ensure!(found == json!(["kept", "kept", "kept", "new"]), "{found}");
    ensure!(browser.text_of("#summary")?.contains("to pull"));
    browser.holds("document.querySelector('#colour').value === 'state'")?;
    browser.is_content()?;

    // These images do not tell what is in their layers.
    let [one, two] = ["1", "2"].map(|tag| format!("oci:{}:{tag}", folder.path("oci")));
    for (to, layers) in [
        (&one, r#"[["/nix/store/d1-data-1.0"], ["/nix/store/l2-lib-2.0"]]"#),
        (&two, r#"[["/nix/store/d1-data-1.0"], ["/nix/store/a3-app-3.0"]]"#),
    ] {
        layerwright(&["pack", "--plan", "-", "--root", &store.root(), "--to", to]).stdin(layers).ok()?;
    }
    let report = folder.path("images.html");
    layerwright(&["compare", &one, &two, "--report", &report]).ok()?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    browser.holds("document.querySelectorAll('#layers tbody tr').length === 2")?;
    browser.click("#layers tbody tr:first-child td:nth-child(2)")?;
    ensure!(browser.text_of("#details")?.contains("sha256:"));
    browser.is_content()
}

fn images_are_drawn_as_far_as_they_tell() -> Result<()> {
    let (mut store, folder) = (HandMade::sample()?, Folder::new()?);
    let [old, new] = ["old", "new"].map(|tag| format!("oci:{}:{tag}", folder.path("oci")));
    let plan = folder.path("plan.json");
    let build = |store: &HandMade, to: &str| {
        let from = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", to, "--save-plan", &plan];
        layerwright(&from).args(["--max-layers", "2", "--mkdir", "/tmp:1777"]).ok()
    };
    build(&store, &old)?;
    store.add("n4-new-4.0", &["d1-data-1.0"])?;
    store.file("n4-new-4.0/file", "new")?;
    build(&store, &new)?;
    let report = folder.path("report.html");
    let told = layerwright(&["compare", &old, &new, "--report", &report]).ok()?;
    ensure!(told.text()?.contains(" uncompressed) are new"), "{}", told.text()?);
    let image = &data_of(&report)?["images"][0];
    ensure!(image["nodes"]["changes"].as_array().map(Vec::len) == Some(4) && image["updates"] == 1, "{image}");
    ensure!(image["layers"][0]["label"] == "data and 3 more" && image["layers"][1]["nodes"] == json!([]), "{image}");

    let mut browser = Browser::open(&report, Scheme::Light)?;
    let summary = browser.text_of("#summary")?;
    ensure!(summary.contains("uncompressed") && !summary.contains("only shares a layer"), "{summary}");
    browser.holds(
        "[...document.querySelectorAll('#colour option')].map(option => option.value).join() === 'changes,layer,state'",
    )?;
    ensure!(!browser.text_of("#map")?.contains("sha256:") && !browser.text_of("#layers")?.contains("sha256:"));
    browser.value("document.querySelector('#search').focus()")?;
    browser.write("lib")?;
    browser.press(Key::Enter)?;
    browser.eventually("location.hash.startsWith('#node=')")?;
    let details = browser.text_of("#details")?;
    ensure!(details.contains("does not tell what refers to what") && details.contains("uncompressed"), "{details}");
    browser.holds("document.querySelector('#what-if') === null")?;
    // The customisation layer is of no nodes.
    browser.click("#layers tbody tr:last-child td:nth-child(2)")?;
    let details = browser.text_of("#details")?;
    ensure!(details.contains("sha256:") && !details.contains("0 path"), "{details}");
    browser.is_content()?;

    // With a plan, all bytes are those of nodes.
    let told = layerwright(&["compare", &plan, &new, "--json", "--report", &report]).ok()?.json()?;
    let image = &data_of(&report)?["images"][0];
    ensure!(told["layer_bytes"] == "nodes" && image["layers"][0]["size"].is_null(), "{told}: {image}");
    Ok(())
}

fn ten_thousand_paths_are_searched() -> Result<()> {
    let folder = Folder::new()?;
    let report = plan_report(&folder, &graph_of(10_000), &[])?;
    let bytes = fs::metadata(&report)?.len();
    ensure!(bytes < 4 << 20, "the page has {bytes} bytes");
    let start = Instant::now();
    let mut browser = Browser::open(&report, Scheme::Light)?;
    let opened = start.elapsed();
    search(&mut browser, "node-9999")?;
    println!("10,000 paths: {bytes} bytes, opened after {opened:?}, searched after {:?}", start.elapsed() - opened);
    let found = browser.text_of("#details")?;
    ensure!(found.contains("/nix/store/h9999-node-9999"), "{found}");
    browser.click("#treemap")?;
    browser.eventually("!document.querySelector('#details').textContent.includes('h9999-node-9999')")?;
    browser.is_content()
}

fn too_many_nodes_are_not_drawn() -> Result<()> {
    let folder = Folder::new()?;
    let names: Vec<String> = (0..100_001).map(|at| format!("/nix/store/h{at}-x")).collect();
    let (plan, report) = (folder.write("plan.json", json!([names]).to_string())?, folder.path("report.html"));
    let told = layerwright(&["compare", &plan, &plan, "--report", &report]).ok()?;
    told.says(&["draws no map: 100,001 nodes"])?;
    ensure!(fs::metadata(&report)?.len() < 1 << 20);
    let mut browser = Browser::open(&report, Scheme::Light)?;
    ensure!(browser.text_of("#summary")?.contains("kept, in 1 layer"));
    browser.is_content()
}

fn little_is_shown_where_there_is_little() -> Result<()> {
    let folder = Folder::new()?;
    let nothing = plan_report(&folder, &json!([]), &[])?;
    Browser::open(&nothing, Scheme::Light)?.is_content()?;
    let weightless = json!([{"path": "/nix/store/h0-x", "narSize": 0, "references": ["/nix/store/h0-x"]}]);
    Browser::open(&plan_report(&folder, &weightless, &[])?, Scheme::Dark)?.is_content()?;
    let (jsonl, report) = (folder.write("history.jsonl", history(2))?, folder.path("simulation.html"));
    layerwright(&["simulate", "--history", &jsonl, "--report", &report]).ok()?;
    let mut browser = Browser::open(&report, Scheme::Light)?;
    browser.holds("document.querySelectorAll('#curve g.line:not(.floor):not(.single)').length === 1")?;
    browser.holds("[...document.querySelectorAll('#curve .stroke')].every(line => line.getTotalLength() > 0)")?;
    browser.is_content()
}

fn changes_are_those_of_the_history() -> Result<()> {
    let folder = Folder::new()?;
    let jsonl = folder.write("history.jsonl", history(6))?;
    let closure: Value = serde_json::from_str(history(9).lines().last().context("a line")?)?;
    let report = plan_report(&folder, &closure["closure"], &["--history", &jsonl])?;
    let image = &data_of(&report)?["images"][0];
    // From the 6th image to the 9th in one update; `lib` changed there and before.
    ensure!(image["updates"] == 6 && image["nodes"]["lineages"] == json!(["data", "lib", "app"]), "{image}");
    ensure!(image["nodes"]["changes"] == json!([0, 2, 6]), "{image}");
    ensure!(image["nodes"]["popularity"] == json!([1000, 500, 0]) && image["roots"] == json!([2]), "{image}");
    let without = plan_report(&folder, &closure["closure"], &[])?;
    let image = &data_of(&without)?["images"][0];
    ensure!(image["updates"] == 0 && image["nodes"]["changes"] == json!([]), "{image}");
    Ok(())
}

fn a_report_comes_beside_other_results() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (report, plan, image) = (folder.path("report.html"), folder.path("plan.json"), folder.path("image.tar"));
    let (source, root, to) = (store.source()?, store.root(), format!("docker-archive:{image}"));
    let build = ["build", "--from", &source, "--root", &root, "--to", &to, "--save-plan", &plan, "--report", &report];
    let told = layerwright(&build).args(["--json"]).ok()?;
    ensure!(told.json()?["layers"].as_array().map(Vec::len) == Some(3), "{}", told.report());
    told.says(&[&format!("wrote {report}")])?;
    let first = fs::read(&report)?;
    layerwright(&build).ok()?;
    ensure!(fs::read(&report)? == first, "the same plan makes the same page");
    ensure!(data_of(&report)?["command"] == "build" && data_of(&report)?["title"] == to.as_str());
    // Nobody is told, but it is written.
    fs::remove_file(&report)?;
    let quiet = layerwright(&["--quiet", "plan", "--from", &source, "--report", &report]).ok()?;
    ensure!(quiet.stderr.is_empty() && fs::exists(&report)? && quiet.json()?["layers"].is_array());
    ensure!(folder.names()? == ["image.tar", "plan.json", "report.html"], "{:?}", folder.names()?);
    Ok(())
}

fn a_report_is_written_to_a_place_of_its_own_or_not_at_all() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (source, root, report) = (store.source()?, store.root(), folder.path("report.html"));
    let layout = format!("oci:{}", folder.path("oci"));
    let build =
        |to: &str, more: &[&str]| layerwright(&["build", "--from", &source, "--root", &root, "--to", to]).args(more);
    let same = "name the same place";
    build(&layout, &["--report", &folder.path("oci/report.html")]).exits(2)?.says(&["--report", same])?;
    build(&format!("oci-archive:{report}"), &["--report", &report]).exits(2)?.says(&["--to and --report", same])?;
    build(&layout, &["--report", &report, "--save-plan", &report])
        .exits(2)?
        .says(&["--save-plan and --report", same])?;
    layerwright(&["plan", "--from", &source, "-o", &report, "--report", &report]).exits(2)?.says(&[same])?;
    let jsonl = folder.write("history.jsonl", history(3))?;
    layerwright(&["simulate", "--history", &jsonl, "--report", &jsonl]).exits(2)?.says(&["--history and --report"])?;
    let over_history = ["plan", "--from", &source, "--history", &jsonl, "--report", &jsonl];
    layerwright(&over_history).exits(2)?.says(&["--history and --report", same])?;
    build(&format!("oci:{}", folder.path("other")), &["--history", "oci:oci:1", "--report", "oci/report.html"])
        .dir(&folder.path(""))
        .exits(2)?
        .says(&["--history and --report", same])?;
    layerwright(&["compare", &jsonl, &jsonl, "--report", &jsonl]).exits(2)?.says(&["--report", same])?;
    let into_layout = ["compare", "plan.json", "oci:earlier", "--report", "earlier/report.html"];
    layerwright(&into_layout).dir(&folder.path("")).exits(2)?.says(&["NEW and --report", same])?;
    ensure!(fs::read_to_string(&jsonl)? == history(3));

    // Nothing is lost where nothing is kept.
    layerwright(&["plan", "--from", &source, "-o", "/dev/null", "--report", "/dev/null"]).ok()?;

    // A place that cannot be written to is refused before any work, and what fails leaves nothing.
    let nowhere = folder.path("missing/report.html");
    build(&layout, &["--report", &nowhere]).exits(2)?.says(&["missing"])?;
    layerwright(&["simulate", "--history", &jsonl, "--report", &nowhere]).exits(2)?.says(&["missing"])?;
    let refused = ["--report", &report, "--max-layers", "1", "--planner", "groups,config=/missing.json"];
    build(&layout, &refused).finish()?;
    ensure!(folder.names()? == ["history.jsonl"], "{:?}", folder.names()?);
    Ok(())
}
