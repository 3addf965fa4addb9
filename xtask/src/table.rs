//! Tables that are read as they are, and are Markdown.

use std::fmt;

pub(crate) struct Table {
    /// Above the table; may be empty.
    pub(crate) title: String,
    /// Before the table; may be empty.
    pub(crate) note: String,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

struct Column {
    title: String,
    is_number: bool,
}

impl Table {
    /// Columns whose title ends in `>` hold numbers, and are aligned at their right.
    pub(crate) fn new(title: impl Into<String>, note: impl Into<String>, columns: &[&str]) -> Self {
        let column =
            |title: &&str| Column { title: title.trim_end_matches('>').to_owned(), is_number: title.ends_with('>') };
        let columns = columns.iter().map(column).collect();
        Self { title: title.into(), note: note.into(), columns, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        // In Markdown a bar ends a cell, even in code.
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "each row has a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.title.is_empty() {
            writeln!(f, "## {}\n", self.title)?;
        }
        if !self.note.is_empty() {
            writeln!(f, "{}\n", self.note)?;
        }
        let cells = |index: usize| self.rows.iter().map(move |row| row[index].chars().count());
        let width = |(index, column): (usize, &Column)| {
            cells(index).chain([column.title.chars().count(), 3]).max().unwrap_or(3)
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(width).collect();
        line(f, &self.columns, &widths, |index| self.columns[index].title.as_str())?;
        let rule = |index: usize| match self.columns[index].is_number {
            true => format!("{}:", "-".repeat(widths[index] - 1)),
            false => "-".repeat(widths[index]),
        };
        line(f, &self.columns, &widths, rule)?;
        self.rows.iter().try_for_each(|row| line(f, &self.columns, &widths, |index| row[index].as_str()))
    }
}

fn line<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    columns: &[Column],
    widths: &[usize],
    cell: impl Fn(usize) -> T,
) -> fmt::Result {
    for (index, (column, width)) in columns.iter().zip(widths).enumerate() {
        let cell = cell(index).to_string();
        match column.is_number {
            true => write!(f, "| {cell:>width$} ")?,
            false => write!(f, "| {cell:<width$} ")?,
        }
    }
    writeln!(f, "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("Title", "", &["what", "s>"]);
        table.push(["a | b".into(), "1.25".into()]);
        let shown = "## Title\n\n| what   |    s |\n| ------ | ---: |\n| a \\| b | 1.25 |\n";
        assert_eq!(table.to_string(), shown);
    }
}
