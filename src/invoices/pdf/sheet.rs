//! Sheets of A4 that fill from the top, and what is put on them. They are drawn at the end, when their number is known.

use krilla::{
    Document as Pdf,
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    num::NormalizedF32,
    page::PageSettings,
    paint::Fill,
    surface::Surface,
    text::TextDirection,
};

use super::typeface::{Faces, Weight};

/// A4 in points.
const WIDTH: f32 = 595.28;
const HEIGHT: f32 = 841.89;
/// What stays free on each side.
pub(super) const LEFT: f32 = 50.0;
pub(super) const RIGHT: f32 = WIDTH - 50.0;
const TOP: f32 = 56.0;
const BOTTOM: f32 = HEIGHT - 64.0;

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) gray: u8,
}

/// Plain text.
pub(super) const PLAIN: Look = Look { size: 9.0, weight: Weight::Regular, gray: 20 };
/// What matters.
pub(super) const BOLD: Look = Look { size: 9.0, weight: Weight::Bold, gray: 20 };
/// What matters less.
pub(super) const SMALL: Look = Look { size: 7.5, weight: Weight::Regular, gray: 90 };
/// The paper's name.
pub(super) const TITLE: Look = Look { size: 18.0, weight: Weight::Bold, gray: 20 };

impl Look {
    /// From one line to the next.
    pub(super) const fn leading(self) -> f32 {
        self.size * 1.4
    }
}

enum Mark {
    Text { x: f32, y: f32, look: Look, text: String },
    Rule { y: f32, from: f32, thickness: f32 },
}

/// The sheets of a paper.
pub(super) struct Sheets<'a> {
    pub(super) faces: &'a Faces,
    pages: Vec<Vec<Mark>>,
    /// Where the next line goes.
    pub(super) y: f32,
    /// Whether something could not be shown.
    pub(super) lacks: bool,
    /// At the foot of each sheet.
    pub(super) foot: String,
}

impl<'a> Sheets<'a> {
    pub(super) fn new(faces: &'a Faces) -> Self {
        Self { faces, pages: vec![Vec::new()], y: TOP, lacks: false, foot: String::new() }
    }

    /// Whether so much fits on this sheet.
    pub(super) fn fits(&self, height: f32) -> bool {
        self.y + height <= BOTTOM
    }

    /// Goes on on a new sheet.
    pub(super) fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(sheet) = self.pages.last_mut() {
            sheet.push(mark);
        }
    }

    /// The lines of a text, made fit to be shown.
    pub(super) fn lines(&mut self, text: &str, look: Look, width: f32) -> Vec<String> {
        let face = self.faces.face(look.weight);
        let (shown, lacks) = face.shown(text);
        self.lacks |= lacks;
        face.wrap(&shown, look.size, width)
    }

    /// A line that begins at `x`; `y` is its base.
    pub(super) fn put(&mut self, x: f32, y: f32, look: Look, text: &str) {
        if !text.is_empty() {
            self.mark(Mark::Text { x, y, look, text: text.to_owned() });
        }
    }

    /// A line that ends at `x`.
    pub(super) fn put_right(&mut self, x: f32, y: f32, look: Look, text: &str) {
        let face = self.faces.face(look.weight);
        let (shown, _) = face.shown(text);
        let width = face.width(&shown, look.size);
        self.put(x - width, y, look, &shown);
    }

    /// A rule from `from` to the right margin.
    pub(super) fn rule(&mut self, from: f32, thickness: f32) {
        let y = self.y;
        self.mark(Mark::Rule { y, from, thickness });
    }

    /// A paragraph over the whole width, on as many sheets as it takes.
    pub(super) fn paragraph(&mut self, text: &str, look: Look) {
        for line in self.lines(text, look, RIGHT - LEFT) {
            if !self.fits(look.leading()) {
                self.turn();
            }
            self.y += look.leading();
            let y = self.y;
            self.put(LEFT, y, look, &line);
        }
    }

    /// Draws all sheets.
    pub(super) fn draw(self, pdf: &mut Pdf) {
        let count = self.pages.len();
        for (index, marks) in self.pages.iter().enumerate() {
            let Some(size) = PageSettings::from_wh(WIDTH, HEIGHT) else { continue };
            let mut page = pdf.start_page_with(size);
            let mut surface = page.surface();
            for mark in marks {
                draw(&mut surface, self.faces, mark);
            }
            let number = format!("{} · page {} of {count}", self.foot, index + 1);
            let text = Mark::Text { x: LEFT, y: HEIGHT - 36.0, look: SMALL, text: number };
            draw(&mut surface, self.faces, &text);
            surface.finish();
            page.finish();
        }
    }
}

fn draw(surface: &mut Surface<'_>, faces: &Faces, mark: &Mark) {
    let fill = |gray: u8| Fill {
        paint: rgb::Color::new(gray, gray, gray).into(),
        opacity: NormalizedF32::ONE,
        ..Fill::default()
    };
    match mark {
        Mark::Text { x, y, look, text } => {
            surface.set_fill(Some(fill(look.gray)));
            let font = faces.face(look.weight).font.clone();
            surface.draw_text(Point::from_xy(*x, *y), font, look.size, text, false, TextDirection::Auto);
        }
        Mark::Rule { y, from, thickness } => {
            surface.set_fill(Some(fill(120)));
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(*from, *y, RIGHT - from, *thickness) {
                path.push_rect(rect);
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
    }
}
