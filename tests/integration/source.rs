//! Rust source as tokens with their lines and the blocks around them: just enough to hold the rules of the layout.

use std::path::{Path, PathBuf};

/// A word, or one character of punctuation (`::` is one token). Comments and whitespace are gone, literals are empty strings.
#[derive(Clone, Debug)]
pub struct Token {
    /// The text; a raw identifier is without its `r#`.
    pub text: String,
    /// Line number, from 1.
    pub line: usize,
    /// Index of the innermost block around it, into [`Source::blocks`].
    pub block: usize,
    /// True inside an item under `#[cfg(test)]`.
    pub test: bool,
}

/// What a pair of braces belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The file.
    File,
    /// `mod name { ... }`.
    Module(String),
    /// `trait Name { ... }`.
    Trait,
    /// The body of a function, with its name.
    Function(String),
    /// Anything else.
    Other,
}

/// A pair of braces, or the whole file.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it belongs to.
    pub kind: BlockKind,
    /// Index of the block around it; the file is its own parent.
    pub parent: usize,
    /// Line of the opening brace.
    pub line: usize,
    /// True for `#[cfg(test)]` and all that is inside.
    pub test: bool,
}

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// Path from the top of the repository.
    pub path: PathBuf,
    /// Its number of lines.
    pub lines: usize,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Its blocks; the first is the file.
    pub blocks: Vec<Block>,
}

impl Source {
    /// Reads source text. A file named `tests.rs`, or below a folder `tests`, is test code as a whole.
    pub fn parse(path: &Path, text: &str) -> Self {
        let test = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let file = Block { kind: BlockKind::File, parent: 0, line: 1, test };
        let mut source =
            Self { path: path.to_owned(), lines: text.lines().count(), tokens: tokens(text), blocks: vec![file] };
        source.find_blocks();
        source
    }

    /// The names of the modules inside the file that hold the block, outermost first.
    pub fn inline_modules(&self, block: usize) -> Vec<&str> {
        let mut names = Vec::new();
        let mut index = block;
        while index != 0 {
            if let BlockKind::Module(name) = &self.blocks[index].kind {
                names.insert(0, name.as_str());
            }
            index = self.blocks[index].parent;
        }
        names
    }

    /// The text of the token at `index`, empty behind the end.
    pub fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Fills `blocks`, and `block` and `test` of each token.
    fn find_blocks(&mut self) {
        let mut current = 0;
        // What the next opening brace belongs to, and whether `#[cfg(test)]` stands before it.
        let (mut kind, mut test) = (BlockKind::Other, false);
        // Semicolons inside of parentheses and brackets (`[u8; 4]`) end no item.
        let mut nesting = 0_usize;
        for index in 0..self.tokens.len() {
            let next = self.text(index + 1).to_owned();
            let is_name = next.starts_with(|first: char| first.is_alphabetic() || first == '_');
            match self.text(index) {
                "cfg"
                    if next == "("
                        && self.text(index + 2) != "not"
                        && (index + 2..index + 5).any(|at| self.text(at) == "test") =>
                {
                    test = true
                }
                "mod" if is_name => kind = BlockKind::Module(next),
                "fn" if is_name => kind = BlockKind::Function(next),
                "trait" if is_name => kind = BlockKind::Trait,
                "(" | "[" => nesting += 1,
                ")" | "]" => nesting = nesting.saturating_sub(1),
                "{" => {
                    let inside = test || self.blocks[current].test;
                    let kind = std::mem::replace(&mut kind, BlockKind::Other);
                    self.blocks.push(Block { kind, parent: current, line: self.tokens[index].line, test: inside });
                    current = self.blocks.len() - 1;
                    test = false;
                }
                _ => {}
            }
            self.tokens[index].block = current;
            self.tokens[index].test = test || self.blocks[current].test;
            match self.text(index) {
                "}" => current = self.blocks[current].parent,
                ";" if nesting == 0 => (kind, test) = (BlockKind::Other, false),
                _ => {}
            }
        }
    }
}

/// All Rust files below a folder of the repository, in order of their paths.
pub fn rust_files(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(repository().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(Source::parse(&path, &std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        let plain = token.strip_prefix("r#").filter(|name| !name.starts_with(['"', '#'])).unwrap_or(token);
        let is_literal = token.ends_with(['"', '\'', '#']) && token.len() > 1;
        if !first.is_whitespace() && !token.starts_with("//") && !token.starts_with("/*") {
            let text = if is_literal { String::new() } else { plain.to_owned() };
            found.push(Token { text, line, block: 0, test: false });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

/// Length in bytes of the token (or comment, or blank) at the start of `rest`.
fn token_length(rest: &str, first: char) -> usize {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let find =
        |pattern: &str, from: usize| rest[from..].find(pattern).map_or(rest.len(), |at| from + at + pattern.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    // A prefix (b, c, br, cr, r) and hashes may stand before a string's quote.
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len().min(rest.len());
    let raw = rest[prefix..].starts_with('r');
    let hashes = if raw { rest[prefix + 1..].bytes().take_while(|byte| *byte == b'#').count() } else { 0 };
    let quote = prefix + usize::from(raw) + hashes;
    if prefix <= 1 && rest[quote..].starts_with('"') {
        return if raw {
            find(&format!("\"{}", "#".repeat(hashes)), quote + 1)
        } else {
            quoted_length(rest, quote, '"')
        };
    }
    if prefix <= 1 && !raw && rest[prefix..].starts_with('\'') {
        let mut after = rest[prefix + 1..].chars();
        let (one, two) = (after.next(), after.next());
        // `'a'` is a character, `'a` a lifetime.
        if one == Some('\\') || two == Some('\'') {
            return quoted_length(rest, prefix, '\'');
        }
        return prefix + 1 + rest[prefix + 1..].find(|letter| !is_word(letter)).unwrap_or(rest.len() - prefix - 1);
    }
    if raw && hashes == 1 && prefix == 0 {
        return 2 + rest[2..].find(|letter| !is_word(letter)).unwrap_or(rest.len() - 2);
    }
    if is_word(first) {
        return rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
    }
    if rest.starts_with("::") { 2 } else { first.len_utf8() }
}

/// Length of a literal whose opening quote is at `start`, with the quotes.
fn quoted_length(rest: &str, start: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest[start + 1..].char_indices() {
        if !escaped && letter == quote {
            return start + 1 + at + 1;
        }
        escaped = !escaped && letter == '\\';
    }
    rest.len()
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in rest.match_indices(['/', '*']) {
        match rest.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") if depth > 1 => depth -= 1,
            Some("*/") => return at + 2,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_hide_their_content() {
        assert_eq!(words("a // use crate::x;\n/* b /* c */ d */ e"), ["a", "e"]);
        assert_eq!(
            words(r##"f("crate::x\"", r#"a " b"#, b"y", '"', '\'', b'z') g"##),
            words(r#"f("","","","","","") g"#)
        );
        assert_eq!(words("&'a str r#type b r c::d"), ["&", "'a", "str", "type", "b", "r", "c", "::", "d"]);
    }

    #[test]
    fn blocks_know_what_they_are() {
        let text =
            "trait T { fn a(&self) {} fn b(x: [u8; 4]); }\n#[cfg(test)]\nmod tests { use x; }\n#[cfg(test)] use y;\nz";
        let source = Source::parse(Path::new("src/a.rs"), text);
        let kinds: Vec<_> = source.blocks.iter().map(|block| (block.kind.clone(), block.parent, block.test)).collect();
        assert_eq!(
            kinds,
            [
                (BlockKind::File, 0, false),
                (BlockKind::Trait, 0, false),
                (BlockKind::Function("a".into()), 1, false),
                (BlockKind::Module("tests".into()), 0, true),
            ]
        );
        let find = |word: &str| source.tokens.iter().find(|token| token.text == word).unwrap();
        assert_eq!(source.inline_modules(find("x").block), Vec::<&str>::new());
        assert!(find("y").test && !find("z").test);
        assert_eq!((find("y").line, find("z").line), (4, 5));
    }
}
