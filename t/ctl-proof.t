use v5.36;

# The proof: events that the gate wrote are checked, signed, exported and
# trimmed; whatever somebody does to them is found, and called by its name.

use lib 't/lib';
use Digest::SHA qw(sha1_hex);
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('policy-update.html', flow_page);
my $redis = $t->redis;
$t->publish(terms => { version => 1, required => 1 });
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'));

my $ledger = $t->dir . '/checkpoints';
my $ctl = ConsentGate::Ctl->new($t, lines => ["checkpoints $ledger"]);

# Three accounts of one bucket, and one of another.
my (%of, @three);
for my $i (1 .. 100_000) {
    my $bucket = key_of(account => "user$i")->{events};

    push @{ $of{$bucket} }, "user$i";
    @three = @{ $of{$bucket} } and last if @{ $of{$bucket} } == 3;
}
my ($other) = map { $_->[0] } grep { $_->[0] ne $three[0] } @of{ sort keys %of };
my $key  = key_of(account => $three[0])->{events};
my $name = $key =~ s/.*\{(...)\}/$1/r;

my $version = 1;

# Everybody accepts the next version.
sub everybody (@accounts) {
    @accounts = (@three, $other) if !@accounts;
    $version++;
    $t->publish(terms => { version => $version, required => $version });

    for my $account (@accounts) {
        my $script = $t->script('DE', headers =>
            ['X-Test-Account' => $account]);

        wait_for(sub {
            $script->get('/consent/state')->json->{documents}[0]{version}
                == $version;
        });
        is answer_as_script($script)->status, 200, "$account: $version";
    }

    return;
}

sub entries ($bucket = $key) {
    return @{ $redis->cmd('XRANGE', $bucket, '-', '+') };
}

# The stream as it was, or other entries in its place.
sub fill ($bucket, @entries) {
    $redis->cmd('DEL', $bucket);
    $redis->cmd('XADD', $bucket, $_->[0], @{ $_->[1] }) for @entries;
    return;
}

sub field ($entry, $field, $value = undef) {
    my %f = @{ $entry->[1] };
    return $f{$field} if !defined $value;
    return [$entry->[0], [%f, $field => $value]];
}

# Milliseconds since 1970.
sub ms ($entry) { return $entry->[0] =~ s/-.*//r }

# The same with links made anew, as somebody would who knows how.
sub relink (@entries) {
    my $link = '';

    return map {
        $link = sha1_hex($link . field($_, 'b') . field($_, 'm'));
        field($_, l => $link);
    } @entries;
}

# One fault is found, and this one.
sub finds ($fault, $detail, @options) {
    my $run = $ctl->json('verify', @options);
    my @faults = @{ $run->data->{faults} };

    is $run->code, 1, 'exit code';
    is @faults, 1, 'one bucket has a fault';
    is $faults[0]{fault}, $fault, 'its name';
    like $faults[0]{detail}, $detail, 'what it is';
    is $faults[0]{bucket}, $name, 'the bucket';

    my $text = $ctl->run('verify', @options);
    is $text->code, 1, 'exit code of text';
    like $text->out, qr/^bucket $name: $fault\b/m, 'text says the same';

    return $faults[0];
}


subtest 'what the gate wrote' => sub {
    everybody for 1 .. 3;
    is entries, 9, 'three events of each of three';

    my $run = $ctl->json('verify');
    is $run->code, 0, 'is good';
    is_deeply $run->data, { events => 12, buckets => 2, checkpoints => 0,
        faults => [] }, 'and counted';
    like $run->err, qr/^no checkpoints in ".*": only what is in Redis/,
        'says that it had no checkpoints';
    is $ctl->run('verify')->out, "12 events in 2 buckets, 0 lines of "
        . "checkpoints: no fault\n", 'in text';

    is $ctl->json('verify', '--bucket', $name)->data->{events}, 9,
        'one bucket';
    my $one = $ctl->json('verify', '--subject', $three[1])->data;
    is $one->{events}, 9, 'one account: its bucket';
    is $one->{subject}, key_of(account => $three[1])->{name}, 'and who it is';
    is $ctl->json('verify', '--pseudonym', $one->{subject})->data->{events}, 9,
        'by its pseudonym';
};

my @good = entries;

subtest 'tampered with' => sub {
    my @bad;

    subtest 'an event is deleted' => sub {
        $redis->cmd('XDEL', $key, $good[4][0]);
        my $fault = finds('missing', qr/^what it follows is gone$/);
        is $fault->{entry}, $good[5][0], 'the one behind it shows it';
    };

    subtest 'the first one is' => sub {
        fill $key, @good[1 .. 8];
        finds('truncated', qr/no trim is on file/);
    };

    subtest 'the last one is' => sub {
        fill $key, @good[0 .. 7];
        finds('missing', qr/record names a later event/);
    };

    subtest 'a body is altered' => sub {
        @bad = @good;
        $bad[3] = field($good[3], b => field($good[3], 'b')
            =~ s/"country":"DE"/"country":"US"/r);
        fill $key, @bad;
        is finds('altered', qr/^the MAC/)->{entry}, $good[3][0], 'where';

        fill $key, relink(@bad);
        finds('altered', qr/^the MAC/);

        $bad[3] = field($good[3], b => 'x' . field($good[3], 'b'));
        fill $key, relink(@bad);
        finds('altered', qr/^the MAC/);
    };

    subtest 'a MAC is' => sub {
        @bad = @good;
        $bad[3] = field($good[3], m => 'f' x 64);
        fill $key, relink(@bad);
        finds('altered', qr/^the MAC/);
    };

    subtest 'a link is' => sub {
        @bad = @good;
        $bad[3] = field($good[3], l => 'f' x 40);
        fill $key, @bad;
        is finds('altered', qr/^its link/)->{entry}, $good[3][0], 'where';
    };

    subtest 'an entry is nonsense' => sub {
        @bad = @good;
        $bad[3] = [$good[3][0], [x => 1]];
        fill $key, @bad;
        finds('malformed', qr/cannot be read/);
    };

    subtest 'two change places' => sub {
        @bad = @good;
        @bad[4, 5] = ([$good[4][0], $good[5][1]], [$good[5][0], $good[4][1]]);
        fill $key, @bad;
        finds('reordered', qr/^it follows .*, which comes later$/);
    };

    subtest 'of one subject, with links made anew' => sub {
        my @own = grep { field($good[$_], 'b')
            =~ /"subject":"\Q@{[ key_of(account => $three[0])->{name} ]}"/ }
            0 .. $#good;
        my ($i, $j) = @own[1, 2];

        @bad = @good;
        @bad[$i, $j] = ([$good[$i][0], $good[$j][1]],
            [$good[$j][0], $good[$i][1]]);
        fill $key, relink(@bad);
        finds('reordered', qr/subject's event before it comes later/);
    };

    subtest 'an event is there twice' => sub {
        fill $key, @good, [9 . $good[8][0], $good[2][1]];
        finds('repeated', qr/there before/);
    };

    subtest 'one is deleted, with links made anew' => sub {
        my @own = grep { field($good[$_], 'b')
            =~ /"subject":"\Q@{[ key_of(account => $three[0])->{name} ]}"/ }
            0 .. $#good;

        @bad = @good;
        splice @bad, $own[1], 1;
        fill $key, relink(@bad);
        finds('missing', qr/subject's event before it is nowhere/);
    };

    fill $key, @good;
    is $ctl->json('verify')->code, 0, 'as it was, it is good again';

    subtest 'one from another bucket' => sub {
        my $away = key_of(account => $other)->{events};
        my ($stranger) = entries($away);

        fill $key, relink(@good, [9 . $good[8][0], $stranger->[1]]);
        finds('moved', qr/^its subject belongs to bucket /);
        fill $key, @good;
    };
};


subtest 'what else may be in Redis' => sub {
    subtest 'a text that is signed and no event' => sub {
        my $line = JSON::PP->new->utf8->decode((split /\n/, do {
            my $other = "$ledger-other";
            $ctl->run('checkpoint', '--checkpoints', $other);
            slurp($other);
        })[0]);

        fill $key, relink(@good, [9 . $good[8][0],
            [b => $line->{b}, m => $line->{m}]]);
        finds('malformed', qr/cannot be read/);
        fill $key, @good;
    };

    subtest 'the last id that a stream has' => sub {
        my $last = '18446744073709551615';
        my @full = relink(@good, map { [9 . "$good[8][0]", $_->[1]] } $good[2]);
        $full[-1][0] =~ s/-.*/-$last/;

        fill $key, @full;
        finds('repeated', qr/there before/);

        # as the end of a page, after which the next one begins
        $redis->cmd('DEL', $key);
        $redis->cmd('XADD', $key, "1-$_", 'x', 1) for 1 .. 999;
        $redis->cmd('XADD', $key, "1-$last", 'x', 1);
        is $ctl->json('verify', '--bucket', $name)->data->{events}, 1000,
            'nothing is read twice';
        $redis->cmd('XADD', $key, "$last-$last", 'x', 1);
        is $ctl->json('verify', '--bucket', $name)->data->{events}, 1001,
            'to the very end';
    };

    subtest 'no stream' => sub {
        $redis->cmd('SET', $key, 'x');
        finds('malformed', qr/is no stream/);
        is $ctl->json(qw(checkpoint --checkpoints), "$ledger-none")->code, 1,
            'checkpoint tells';
        fill $key, @good;
    };

    subtest 'no record' => sub {
        my $record = key_of(account => $three[0])->{record};
        my $was = $redis->cmd('DUMP', $record);
        $redis->cmd('SET', $record, 'x');
        finds('malformed', qr/record is no hash/);
        $redis->cmd('RESTORE', $record, 0, $was, 'REPLACE');
    };

    is $ctl->json('verify')->code, 0, 'as it was, it is good again';

    for my $bucket ('{0a3', '0a3}', '{0a3}x', '0a', '0A3 ', '{0a', 'xyz', '') {
        is $ctl->run('verify', '--bucket', $bucket)->code, 2,
            "no bucket: $bucket";
    }
    is $ctl->run('verify', '--bucket', "{$name}")->code, 0, 'but in braces';
};


subtest 'keys' => sub {
    my $renamed = $t->write_file('renamed', join("\n",
        'subject ' . '0123456789abcdef' x 4, 'sign k2 ' . 'ab' x 32, ''), 0600);
    my $run = $ctl->json('verify', '--bucket', $name, '--key-file', $renamed);
    is $run->data->{faults}[0]{fault}, 'unknown_key', 'a key that is not here';

    my $wrong = $t->write_file('wrong', join("\n",
        'subject ' . '0123456789abcdef' x 4, 'sign k1 ' . 'ab' x 32, ''), 0600);
    $run = $ctl->json('verify', '--bucket', $name, '--key-file', $wrong);
    is $run->data->{faults}[0]{fault}, 'altered', 'another one of its name';

    my $rotated = $t->write_file('rotated', join("\n",
        'subject ' . '0123456789abcdef' x 4, 'sign k2 ' . 'ab' x 32,
        'sign k1 ' . 'fedcba9876543210' x 4, ''), 0600);
    is $ctl->json('verify', '--key-file', $rotated)->code, 0, 'a rotated one';
};


subtest 'checkpoints' => sub {
    my $run = $ctl->json('checkpoint');
    is $run->code, 0, 'are signed';
    is_deeply [@{ $run->data }{qw(signed unchanged)}], [2, 0], 'for each';
    is_deeply [@{ $ctl->json('checkpoint')->data }{qw(signed unchanged)}],
        [0, 2], 'once';
    is $ctl->json('checkpoint', '--all')->data->{signed}, 2, 'or on demand';
    is $ctl->json('verify')->data->{checkpoints}, 4, 'verify reads them';
    is $ctl->json('verify')->err =~ s{^\d+ of \d+ buckets\n}{}gmr, '',
        'without a word but how far it is';

    everybody;
    is $ctl->json('checkpoint')->data->{signed}, 2, 'and what came since';
    @good = entries;

    subtest 'a history made anew' => sub {
        my @own = grep { field($good[$_], 'b')
            =~ /"subject":"\Q@{[ key_of(account => $three[0])->{name} ]}"/ }
            0 .. $#good;
        my @bad = @good;

        # the oldest event of a subject, which only its own chain would miss
        splice @bad, $own[0], 2;
        fill $key, relink(@bad);
        finds('forked', qr/checkpoint has another link/);
    };

    subtest 'the end cut off' => sub {
        fill $key, @good[0 .. 8];
        $redis->cmd('DEL', key_of(account => $_)->{record}) for @three;
        finds('missing', qr/^entry .* of a checkpoint is gone$/);

        my $run = $ctl->json('checkpoint');
        is $run->code, 1, 'is not signed';
        is $run->data->{faults}[0]{fault}, 'missing', 'but told';
    };

    subtest 'everything gone' => sub {
        $redis->cmd('DEL', $key);
        finds('missing', qr/^entry .* of a checkpoint is gone$/);
    };

    fill $key, @good;
    is $ctl->json('verify')->code, 0, 'as it was, it is good again';

    subtest 'the file itself' => sub {
        my @lines = split /(?<=\n)/, slurp($ledger);
        my sub with (@lines) {
            $t->write_file($ledger, join '', @lines);
            return $ctl->run('verify');
        }

        for (
            ['a line missing', qr/line 2: a line before it is missing/,
                @lines[0, 2 .. $#lines]],
            ['two that changed places', qr/line 1: a line before/,
                @lines[1, 0, 2 .. $#lines]],
            ['one altered', qr/line 1: the MAC is not/,
                $lines[0] =~ s/"m":"(.)/'"m":"' . ($1 eq '0' ? 1 : 0)/er,
                @lines[1 .. $#lines]],
            ['nonsense', qr/line 1: it cannot be read/, "hello\n"],
            ['cut short', qr/: it is cut short/,
                @lines[0 .. $#lines - 1], substr($lines[-1], 0, 40)],
        ) {
            my ($what, $message, @bad) = @$_;
            my $run = with(@bad);
            is $run->code, 3, "$what: exit code";
            like $run->err, $message, "$what: which line";
        }

        is with(@lines)->code, 0, 'as it was';
    };
};


subtest 'export' => sub {
    my $file = $t->dir . '/events.jsonl';

    my $run = $ctl->run(qw(events export --output), $file);
    is $run->code, 0, 'works';
    is slurp($file), '', 'nothing is older than proof';
    unlink $file, "$file.manifest";

    $run = $ctl->json(qw(events export --all --output), $file);
    is $run->data->{events}, 16, 'all of them';
    is((stat $file)[2] & 0777, 0600, 'for its owner only');

    my @lines = map { JSON::PP->new->utf8->decode($_) } split /\n/,
        slurp($file);
    is_deeply [map { [@$_{qw(entry b m l)}] } grep { $_->{bucket} eq $name }
            @lines],
        [map { my $e = $_; [$e->[0], map { field($e, $_) } qw(b m l)] } @good],
        'as they are in Redis';

    $run = $ctl->run(qw(events export --all --output), $file);
    is $run->code, 3, 'an existing file is kept';

    $run = $ctl->run(qw(events trim --yes --manifest), "$file.manifest");
    is $run->code, 6, 'what is younger than proof is not trimmed';
    like $run->err, qr/has events younger than proof/, 'and why';
    is entries, @good, 'nothing is gone';
};


subtest 'trim' => sub {
    my @young = ('--proof', '1s');
    my $file = $t->dir . '/old.jsonl';

    # the first three rounds
    my $cut = int(ms($good[9]) / 1000) + 1;
    wait_for(sub { time > $cut + 1 });
    everybody;
    @good = entries;

    my $run = $ctl->json(qw(events export --output), $file, '--before', $cut);
    my $n = grep { ms($_) < 1000 * $cut } @good;
    is $run->code, 0, 'exported' or diag($run->err);
    cmp_ok $n, '>=', 9, 'some are old';
    cmp_ok $n, '<', @good, 'and some are not';

    my @trim = ('events', 'trim', @young, '--manifest', "$file.manifest");

    subtest 'refused' => sub {
        my $run = $ctl->run(@trim);
        is $run->code, 6, 'when nobody says yes';
        is entries, @good, 'nothing is gone';

        my $whole = slurp($file);
        $t->write_file($file, substr $whole, 1);
        $run = $ctl->run(@trim, '--yes');
        is $run->code, 6, 'when the export was altered';
        like $run->err, qr/is not what was exported/, 'and why';

        unlink $file;
        is $ctl->run(@trim, '--yes')->code, 3, 'when it is gone';
        $t->write_file($file, $whole);

        my $manifest = slurp("$file.manifest");
        $t->write_file("$file.manifest",
            $manifest =~ s/\\"events\\":\d/\\"events\\":7/r);
        $run = $ctl->run(@trim, '--yes');
        is $run->code, 3, 'when the manifest was altered';
        like $run->err, qr/the MAC is not/, 'and why';
        $t->write_file("$file.manifest", $manifest);

        fill $key, @good[0 .. 3, 5 .. $#good];
        $run = $ctl->run(@trim, '--yes');
        is $run->code, 6, 'when an event is gone';
        like $run->err, qr/bucket $name has a fault \(missing\)/, 'and why';
        fill $key, @good;
    };

    $run = $ctl->json(@trim, '--dry-run');
    is $run->data->{would_trim}, $n + grep({ ms($_) < 1000 * $cut }
            entries(key_of(account => $other)->{events})),
        'a dry run says how many';
    is entries, @good, 'and does nothing';

    is $ctl->run(@trim, '--yes')->code, 0, 'trimmed';
    is_deeply [map { $_->[0] } entries], [map { $_->[0] } @good[$n .. $#good]],
        'what was exported is gone, and nothing else';
    is $ctl->json('verify')->code, 0, 'the rest is good';
    is $ctl->json(@trim, '--yes')->data->{trimmed}, 0, 'once is enough';

    subtest 'without the file' => sub {
        my $run = $ctl->json(qw(verify --checkpoints /nonexistent));
        is $run->code, 1, 'nobody knows that it was a trim';
        is $run->data->{faults}[0]{fault}, 'truncated', 'its name';
    };

    subtest 'the first of the rest' => sub {
        fill $key, @good[$n + 1 .. $#good];
        finds('truncated', qr/between the last trim and this one/);
        fill $key, @good[$n .. $#good];
    };

    subtest 'a trim that was cut off' => sub {
        fill $key, @good[3 .. $#good];
        is $ctl->json('verify')->data->{faults}[0]{fault}, 'truncated',
            'shows';
        is $ctl->run(@trim, '--yes')->code, 0, 'is run again';
        is entries, @good - $n, 'and is done';
        is $ctl->json('verify')->code, 0, 'all is good';
    };

    everybody;
    is $ctl->json('verify')->code, 0, 'so is what is written afterwards';
    is $ctl->json('checkpoint')->data->{signed}, 2, 'which is signed';

    subtest 'all of a bucket' => sub {
        my $file = $t->dir . '/last.jsonl';
        my $cut = time + 2;

        $ctl->run(qw(events export --output), $file, '--before', $cut);
        wait_for(sub { time > $cut + 2 });
        is $ctl->run(qw(events trim --proof 1s --yes --manifest),
            "$file.manifest")->code, 0, 'is trimmed';
        is entries, 1, 'but for the last event';
        everybody;
        is $ctl->json('verify')->code, 0, 'on which the next one builds';
    };
};

$t->done;
