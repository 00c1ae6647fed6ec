<?php
// Asks the shop whether a licence is good: php license.php SHOP KEY
declare(strict_types=1);

function license_is_valid(string $shop, string $key): bool
{
    $question = json_encode(['license_key' => $key], JSON_THROW_ON_ERROR);
    $options = ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $question, 'timeout' => 5];
    $answer = file_get_contents("$shop/api/license/validate", false, stream_context_create(['http' => $options]));
    return $answer !== false && (json_decode($answer, true)['valid'] ?? false) === true;
}

if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    [, $shop, $key] = $argv + [1 => 'http://127.0.0.1:8080', 2 => ''];
    $good = license_is_valid(rtrim($shop, '/'), $key);
    echo $good ? "valid\n" : "not valid\n";
    exit($good ? 0 : 1);
}
