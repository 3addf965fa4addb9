//! A registry that serves one image, of an OCI layout, to whoever pulls by digest. Without encryption.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::image::Layout;

pub(crate) struct Registry {
    /// `127.0.0.1` and a port.
    pub(crate) host: String,
    pub(crate) manifest_digest: String,
}

impl Registry {
    /// Serves until the tests end.
    pub(crate) fn of_layout(dir: &str, tag: &str) -> Result<Self> {
        let layout = Layout::open(dir, tag)?;
        let index: serde_json::Value = serde_json::from_slice(&fs::read(format!("{dir}/index.json"))?)?;
        let digest = index["manifests"][0]["digest"].as_str().context("the layout has an image")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let media_type = layout.manifest["mediaType"].as_str().context("a manifest has a type")?.to_owned();
        let dir = dir.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (dir, media_type) = (dir.clone(), media_type.clone());
                // A client that goes away is no fault of the registry.
                thread::spawn(move || drop(answer(&stream, &dir, &media_type)));
            }
        });
        Ok(Self { host, manifest_digest: digest })
    }
}

/// `GET` and `HEAD` of `/v2/`, `/v2/NAME/manifests/DIGEST` and `/v2/NAME/blobs/DIGEST`; one request for each connection.
fn answer(mut stream: &TcpStream, dir: &str, media_type: &str) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().context("a request has a first line")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = match parts.as_slice() {
        ["v2"] => Some((b"{}".to_vec(), "application/json")),
        ["v2", .., kind @ ("manifests" | "blobs"), digest] => {
            let blob = fs::read(format!("{dir}/blobs/{}", digest.replace(':', "/"))).ok();
            blob.map(|blob| (blob, if *kind == "manifests" { media_type } else { "application/octet-stream" }))
        }
        _ => None,
    };
    let (status, (body, content_type)) = match found {
        Some(found) => ("200 OK", found),
        None => ("404 Not Found", (Vec::new(), "text/plain")),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if method != "HEAD" {
        stream.write_all(&body)?;
    }
    Ok(())
}
