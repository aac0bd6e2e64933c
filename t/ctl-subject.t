use v5.36;

# What is on record about somebody, shown, erased and corrected by consentctl:
# as the gate would, with the same script, and seen by it at once.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
my $redis = $t->redis;
$t->nginx(flow_site(
    http   => 'consent_cache zone=records:256k; consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;'));

my $ctl = ConsentGate::Ctl->new($t,
    lines => ['checkpoints ' . $t->dir . '/checkpoints']);

sub person ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub reason ($person) {
    return $person->get('/')->header('Consent-Gate')
        =~ /reason=(\w+)/ ? $1 : undef;
}

my $anna = person('anna');
answer($anna, purpose => 'analytics');
my $of = key_of(account => 'anna');


subtest 'show' => sub {
    my $run = $ctl->json(qw(subject show --subject anna));
    is $run->code, 0, 'an account';
    my %r = %{ $run->data };
    is_deeply [@r{qw(pseudonym key foreign previous_key)}],
        [$of->{name}, $of->{record}, JSON::PP::false, JSON::PP::false],
        'who it is';
    is_deeply $r{fields}, $redis->hash($of->{record}), 'the record';
    cmp_ok abs($r{ttl} - 400 * 86_400), '<', 60, 'how long it is kept';
    is_deeply $ctl->json(qw(subject show --pseudonym), $of->{name})
        ->data->{fields}, $r{fields}, 'by its pseudonym';

    my $text = $ctl->run(qw(subject show --subject anna))->out;
    like $text, qr/^\Q$of->{record}\E$/m, 'as text';
    like $text, qr/^  d\.terms +1 +accepted in this version$/m, 'a document';
    like $text, qr/^  p\.analytics +1 +granted$/m, 'a purpose';

    my $was = $redis->cmd('DUMP', $of->{record});
    $redis->cmd('HSET', $of->{record}, 'd.terms', '-', 'p.analytics', 0,
        age => 'minor:16', eea => 20_000, res => 'NO', x => 'y');
    $text = $ctl->run(qw(subject show --subject anna))->out;
    like $text, qr/^  $_$/m, $_ for 'd\.terms +- +declined',
        'p\.analytics +0 +refused',
        'age +minor:16 +said to be younger than 16', 'x +y *',
        'eea +20000 +last seen in the EEA on 2024-10-04',
        'res +NO +residence, as declared';
    $redis->cmd('RESTORE', $of->{record}, 0, $was, 'REPLACE');
    $redis->cmd('EXPIRE', $of->{record}, 400 * 86_400);
    like $text, qr/^kept until 20\d\d-/m, 'how long';

    my $browser = $t->browser('DE');
    answer($browser);
    my $cookie = $browser->jar->get('consent');
    is $ctl->json(qw(subject show --visitor), $cookie)->data->{fields}{rev},
        1, 'a visitor, by the cookie';
};


subtest 'nobody' => sub {
    for (
        [5, 'this subject has no record in realm "default"',
            qw(--subject nobody)],
        [5, 'this subject has no record in realm "other"',
            qw(--subject anna --realm other)],
        [2, 'give one of --subject, --visitor and --pseudonym'],
        [2, 'give one of .*', qw(--subject a --pseudonym b)],
        [2, 'an empty account is nobody', '--subject', ''],
        [2, '--visitor: this is no visitor cookie of these keys',
            qw(--visitor xyz)],
        [2, '--pseudonym: "xyz" is not 22 characters of base64url',
            qw(--pseudonym xyz)],
        [3, 'cannot open "/nonexistent": .*',
            qw(--subject anna --key-file /nonexistent)],
    ) {
        my ($code, $message, @options) = @$_;
        my $run = $ctl->run(qw(subject show), @options);

        is $run->code, $code, "@options: exit code";
        like $run->err, qr/\Aconsentctl: $message\n\z/, 'and why';
    }

    $redis->cmd('HSET', $of->{record}, 'k', 'ffffffff');
    my $run = $ctl->run(qw(subject show --subject anna));
    is $run->code, 1, 'a record of somebody else';
    like $run->out, qr/^"k" is of another subject/m, 'is told';
    is $ctl->run(qw(subject erase --yes --subject anna))->code, 6,
        'and not erased';
    is $ctl->run(qw(subject residence --country NO --subject anna))->code, 6,
        'nor changed';
    $run = $ctl->run(qw(subject export --subject anna));
    is $run->code, 6, 'nor given away';
    is $run->out, '', 'not a part of it';
    $redis->cmd('HSET', $of->{record}, 'k', $of->{check});
};


subtest 'key files' => sub {
    for (
        ['subject 00', qr/line 1: .*key/],
        ['sign k1 ' . 'ab' x 32, qr/: .*subject/],
        ["dance\n", qr/line 1: unknown/],
    ) {
        my ($text, $message) = @$_;
        my $file = $t->write_file('badkeys', $text, 0600);
        my $run = $ctl->run(qw(subject show --subject anna --key-file), $file);

        is $run->code, 3, 'exit code';
        like $run->err, qr/\Aconsentctl: key file "[^"]+"(?:, line \d+)?: .*\n\z/,
            'one line';
        unlike $run->err, qr/abab/, 'which has no key in it';
    }

    my $open = $t->write_file('openkeys', slurp($t->dir . '/keys'), 0644);
    my $run = $ctl->run(qw(subject show --subject anna --key-file), $open);
    is $run->code, 3, 'readable by others';
    like $run->err, qr/must be 0640 or stricter$/, 'and what to do';
};


subtest 'residence' => sub {
    my $run = $ctl->json(qw(subject residence --subject anna --country no));
    is $run->code, 0, 'is declared' or diag($run->err);
    is_deeply $run->data, { result => 'written', rev => 2,
        residence => 'NO' }, 'and told';
    is $redis->hash($of->{record})->{res}, 'NO', 'on record';

    my ($event) = (events($redis, $of->{events}))[-1];
    is_deeply [@$event{qw(what method kind subject country reason)}],
        ['residence', 'ctl', 'account', $of->{name}, '', 'own'], 'an event';
    is $event->{residence}, 'NO', 'that says it';
    is $event->{mac}, event_mac($event->{body}), 'signed';
    is $ctl->json('verify')->code, 0, 'and in its place';

    is $ctl->json(qw(subject residence --subject anna --country NO))
        ->data->{result}, 'unchanged', 'once';
    is $ctl->json(qw(subject residence --clear --pseudonym), $of->{name})
        ->data->{result}, 'written', 'and taken back, by the pseudonym';
    ok !exists $redis->hash($of->{record})->{res}, 'off the record';
    is((events($redis, $of->{events}))[-1]{kind}, 'account',
        'whose kind was looked up');

    for (qw(XX EU A1 Norway)) {
        is $ctl->run(qw(subject residence --subject anna --country), $_)->code,
            2, "$_ is no country";
    }
    is $ctl->run(qw(subject residence --subject anna))->code, 2, 'nor nothing';
    is $ctl->run(qw(subject residence --subject nobody --country NO))->code, 5,
        'nobody gets no record';
};


subtest 'export' => sub {
    my $api = $anna->get('/consent/export')->json;
    my $run = $ctl->run(qw(subject export --subject anna));
    is $run->code, 0, 'works' or diag($run->err);
    my $copy = $run->data;

    cmp_ok abs(delete($copy->{time}) - delete $api->{time}), '<', 60_000,
        'now';
    is_deeply $copy, $api, 'is what the API gives';
    is @{ $copy->{events} }, 3, 'every event';
    is $copy->{complete}, JSON::PP::true, 'down to the first';
    my $same = $ctl->run(qw(subject export --pseudonym), $of->{name})->data;
    is_deeply $same->{events}, $copy->{events}, 'by the pseudonym';
    is $same->{subject}{kind}, 'account', 'whose kind was looked up';
    is $ctl->run(qw(subject export --subject nobody))->code, 5, 'of nobody';
};


subtest 'erase' => sub {
    is reason($anna), 'accepted', 'anna passes';
    my $open = show($anna, 'need=terms');

    is $ctl->run(qw(subject erase --subject anna))->code, 6, 'who says so?';
    ok exists $redis->hash($of->{record})->{'d.terms'}, 'nothing is gone';

    my $run = $ctl->json(qw(subject erase --subject anna --yes));
    is $run->code, 0, 'with --yes';
    is_deeply $run->data, { result => 'written', rev => 4,
        erased => ['record'], kept => ['events'], events => 4,
        kept_for => 2190 * 86_400 }, 'says what is kept';

    my $left = $redis->hash($of->{record});
    is_deeply [sort keys %$left], [qw(ev k rev)], 'the record is gone';
    my $ttl = $redis->cmd('TTL', $of->{record});
    ok $ttl > 7700 && $ttl <= 7800, 'what is left lives as long as forms do';

    my $event = (events($redis, $of->{events}))[-1];
    is_deeply [@$event{qw(what method)}], [qw(erase ctl)], 'an event';

    ok wait_for(sub { reason($anna) eq 'missing' }), 'anna is asked again';
    is answer($anna, page => $open)->status, 409,
        'a form from before brings nothing back';
    is $ctl->json('verify')->code, 0, 'the events are in their places';

    subtest 'what is left' => sub {
        my $run = $ctl->json(qw(subject show --subject anna));
        is $run->data->{erased}, JSON::PP::true, 'is told';
        like $ctl->run(qw(subject show --subject anna))->out,
            qr/^the record was erased: /m, 'as text';
        is $ctl->run(qw(subject residence --country NO --subject anna))->code,
            5, 'takes no residence';
        my $again = $ctl->run(qw(subject erase --yes --subject anna));
        is $again->code, 0, 'may be erased again';
        like $again->out, qr/^erased  nothing: that was done before$/m,
            'which changes nothing';
        like $again->out, qr/^kept    4 events as proof,/m, 'and tells the rest';
    };

    subtest 'when that has gone, too' => sub {
        my $was = $redis->cmd('DUMP', $of->{record});
        $redis->cmd('DEL', $of->{record});

        for (['--subject', 'anna'], ['--pseudonym', $of->{name}]) {
            my $copy = $ctl->run(qw(subject export), @$_)->data;
            is $copy->{record}, undef, "@$_: there is no record";
            is scalar @{ $copy->{events} }, 4, 'but what is kept as proof';
            is $copy->{complete}, JSON::PP::true, 'all of it';
            is $copy->{subject}{kind}, 'account', 'whose it is';
        }

        is $ctl->run(qw(subject erase --yes --subject anna))->code, 5,
            'there is nothing to erase';
        $redis->cmd('RESTORE', $of->{record}, 7000, $was);
    };

    answer($anna);
    is reason($anna), 'accepted', 'she may accept again';
    is $ctl->json('verify')->code, 0, 'and all is in order';
};


subtest 'a rotated subject key' => sub {
    my $rotated = $t->write_file('rotated', join("\n",
        'subject ' . 'ab' x 32,
        'subject-previous ' . '0123456789abcdef' x 4,
        'sign k1 ' . 'fedcba9876543210' x 4, ''), 0600);
    my @keys = ('--key-file', $rotated);
    my $new = key_of(account => 'anna', key => pack 'H*', 'ab' x 32);

    my $run = $ctl->json(qw(subject show --subject anna), @keys);
    is $run->data->{previous_key}, JSON::PP::true, 'is found';
    is $run->data->{key}, $of->{record}, 'where it was';

    $run = $ctl->json(qw(subject residence --country SE --subject anna),
        @keys);
    is $run->data->{result}, 'written', 'and moves with a write';
    is $redis->hash($new->{record})->{'d.terms'}, 1, 'all of it';
    is_deeply $redis->hash($of->{record}), {}, 'away from there';
    is $ctl->json('verify', @keys)->code, 0,
        'its event before is found in the other bucket';
    is $ctl->json(qw(verify --subject anna), @keys)->data->{buckets}, 2,
        'both are looked at for her';

    # as by a write that did not come as far as to take the old one away
    $redis->cmd('HSET', $of->{record}, k => $of->{check}, rev => 1,
        'd.terms' => 1);
    is $ctl->json(qw(subject erase --yes --subject anna), @keys)
        ->data->{result}, 'written', 'erased';
    is_deeply $redis->hash($of->{record}), {},
        'nothing is left that would count again';
    is $ctl->run(qw(subject residence --subject anna --clear), @keys)->code,
        5, 'indeed';
    $redis->cmd('HSET', $new->{record}, 'd.terms', 1);
};


subtest 'Redis takes no writes' => sub {
    $redis->cmd(qw(CONFIG SET maxmemory 1));
    my $run = $ctl->run(qw(subject erase --yes --subject anna --key-file),
        $t->dir . '/rotated');
    is $run->code, 4, 'exit code';
    like $run->err, qr/^consentctl: Redis at .* refuses: OOM /m, 'its words';
    $redis->cmd(qw(CONFIG SET maxmemory 0));
};

$t->done;
