//! A picture of the cycles for the terminal.

use std::io::{Result, Write};

use mudlark_collector::pacing::Bytes;
use mudlark_sim::metrics::CycleRow;

const WIDTH: usize = 72;
const HEIGHT: usize = 12;

/// Live data (`.`), goals (`-`) and peaks (`o`) from the first cycle to the last. A column of several cycles shows the
/// largest of them.
pub(super) fn cycles(rows: &[CycleRow], out: &mut impl Write) -> Result<()> {
    let bytes = |bytes: Bytes| if bytes == Bytes::MAX { 0.0 } else { bytes.as_f64() };
    let top = rows.iter().map(|row| bytes(row.goal).max(bytes(row.peak))).fold(1.0, f64::max);
    let width = rows.len().clamp(1, WIDTH);
    let mut lines = vec![vec![' '; width]; HEIGHT];
    let marks = |row: &CycleRow| [('.', row.live_at_start), ('-', row.goal), ('o', row.peak)];
    for kind in 0..3 {
        let mut mark = ' ';
        let mut columns = vec![0.0_f64; width];
        for (at, row) in rows.iter().enumerate() {
            let value;
            (mark, value) = marks(row)[kind];
            let column = &mut columns[at * width / rows.len()];
            *column = column.max(bytes(value));
        }
        for (column, value) in columns.into_iter().enumerate().filter(|&(_, value)| value > 0.0) {
            let height = (value / top * (HEIGHT - 1) as f64).round() as usize;
            lines[HEIGHT - 1 - height.min(HEIGHT - 1)][column] = mark;
        }
    }
    for (at, line) in lines.iter().enumerate() {
        let label = match at {
            0 => format!("{:.1} MB", top / 1e6),
            at if at == HEIGHT - 1 => "0".to_owned(),
            _ => String::new(),
        };
        writeln!(out, "{label:>12} |{}", line.iter().collect::<String>().trim_end())?;
    }
    let last = rows.last().map_or(0, |row| row.cycle);
    writeln!(out, "{:>12} +{} cycle {last}", "", "-".repeat(width))?;
    writeln!(out, "{:>14}live `.`, goal `-`, peak `o`", "")
}
