//! The typeface: what it can show, and how wide that is.

use std::sync::LazyLock;

use krilla::text::Font;
use skrifa::{
    FontRef, MetadataProvider,
    charmap::Charmap,
    instance::{LocationRef, Size},
    metrics::GlyphMetrics,
};

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// A weight of the typeface.
pub(super) struct Face {
    pub(super) font: Font,
    charmap: Charmap<'static>,
    /// In units of the face's own.
    widths: GlyphMetrics<'static>,
    units: f32,
}

/// Both weights.
pub(super) struct Faces {
    regular: Face,
    bold: Face,
}

/// Reading a face takes longer than making a paper of it.
static FONTS: LazyLock<Option<(Font, Font)>> = LazyLock::new(|| {
    let font = |bytes: &'static [u8]| Font::new(bytes.into(), 0);
    Some((font(dejavu::sans::regular())?, font(dejavu::sans::bold())?))
});

/// What stands for a character that cannot be shown.
const UNKNOWN: char = '\u{fffd}';

impl Faces {
    pub(super) fn load() -> Option<Self> {
        let (regular, bold) = FONTS.as_ref()?.clone();
        Some(Self { regular: Face::of(regular, dejavu::sans::regular())?, bold: Face::of(bold, dejavu::sans::bold())? })
    }

    pub(super) const fn face(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

impl Face {
    fn of(font: Font, bytes: &'static [u8]) -> Option<Self> {
        let reference = FontRef::new(bytes).ok()?;
        let units = f32::from(reference.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        let widths = reference.glyph_metrics(Size::unscaled(), LocationRef::default());
        Some(Self { font, charmap: reference.charmap(), widths, units })
    }

    /// The text as it can be shown, and whether anything of it cannot. Characters that are not seen but turn what is
    /// around them are left out: a name must not rearrange the paper.
    pub(super) fn shown(&self, text: &str) -> (String, bool) {
        let mut lacks = false;
        let show = |character: char| match character {
            '\t' | '\n' | '\r' => Some(' '),
            hidden if is_hidden(hidden) => None,
            known if self.charmap.map(known).is_some() => Some(known),
            _ => {
                lacks = true;
                Some(UNKNOWN)
            }
        };
        let shown = text.chars().filter_map(show).collect();
        (shown, lacks)
    }

    /// How wide a text is, in points.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        let units: f32 = text.chars().map(|character| self.advance(character)).sum();
        units * size / self.units
    }

    fn advance(&self, character: char) -> f32 {
        let glyph = self.charmap.map(character).unwrap_or_default();
        self.widths.advance_width(glyph).unwrap_or_default()
    }

    /// A text in lines of at most `width` points: broken at blanks, or anywhere in a word that is longer than a line.
    pub(super) fn wrap(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let (mut lines, mut line) = (Vec::new(), String::new());
        for word in text.split_whitespace() {
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&joined, size) <= width {
                line = joined;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for character in word.chars() {
                line.push(character);
                if self.width(&line, size) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::take(&mut line));
                    line.push(character);
                }
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Controls, and the marks of direction and joining (Unicode's `Cf`, as far as names of people and things hold any).
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
