<?php
// Letterbox: a contact form that keeps what was written in a directory. Try it: php -S 127.0.0.1:8000 letterbox.php
declare(strict_types=1);

const VERSION = '1.3.0';
const LONGEST = 5000;

/** What is wrong with a letter; nothing if it may be kept. */
function flaws(array $letter): array
{
    $flaws = [];
    if (!filter_var($letter['email'] ?? '', FILTER_VALIDATE_EMAIL)) {
        $flaws['email'] = 'Please give an address that we can answer to.';
    }
    $text = trim((string) ($letter['text'] ?? ''));
    if ($text === '' || strlen($text) > LONGEST) {
        $flaws['text'] = 'Please write something, up to ' . LONGEST . ' bytes.';
    }
    // People do not see this field; programs fill it.
    if (($letter['website'] ?? '') !== '') {
        $flaws['website'] = 'This field stays empty.';
    }
    return $flaws;
}

/** Keeps a letter and gives its name. */
function keep(array $letter, string $directory): string
{
    if (!is_dir($directory) && !mkdir($directory, 0700, true)) {
        throw new RuntimeException("$directory cannot be made");
    }
    $name = gmdate('Ymd-His') . '-' . bin2hex(random_bytes(4)) . '.json';
    $told = ['email' => $letter['email'], 'text' => trim($letter['text']), 'received' => gmdate(DATE_ATOM)];
    file_put_contents("$directory/$name", json_encode($told, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR), LOCK_EX);
    return $name;
}

function page(string $title, array $flaws = []): void
{
    $e = fn (string $text): string => htmlspecialchars($text, ENT_QUOTES);
    echo "<!doctype html><meta charset=utf-8><title>{$e($title)}</title><h1>{$e($title)}</h1>";
    foreach ($flaws as $flaw) {
        echo "<p role=alert>{$e($flaw)}</p>";
    }
    echo '<form method=post><p><label>Your address <input name=email type=email required></label>',
        '<p><label>Your letter <textarea name=text required></textarea></label>',
        '<p hidden><input name=website tabindex=-1 autocomplete=off><p><button>Send</button></form>';
}

if (PHP_SAPI === 'cli') {
    echo 'letterbox ', VERSION, "\n";
} elseif ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    page('Write to us');
} elseif ($flaws = flaws($_POST)) {
    http_response_code(422);
    page('Write to us', $flaws);
} else {
    keep($_POST, getenv('LETTERBOX_DIRECTORY') ?: __DIR__ . '/letters');
    page('Thank you');
}
