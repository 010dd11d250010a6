//! Tables on a terminal.

/// Rows with their columns aligned; the last column is as long as it is. Colours are added by `paint`, which gets row,
/// column and the padded text: so that escapes do not count as width.
pub fn lines(rows: &[Vec<String>], paint: impl Fn(usize, usize, &str) -> String) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    rows.iter()
        .enumerate()
        .map(|(number, row)| {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = if column + 1 == row.len() { 0 } else { widths[column] };
                paint(number, column, &format!("{cell:width$}"))
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(lines(&rows, |_, _, text| text.to_owned()), ["a    bb", "ccc  d"]);
    }
}
