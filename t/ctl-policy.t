use v5.36;

# Versions are published and announced by consentctl, and the gate acts on
# them: at once, on the day, and never before it.

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('policy-update.html', flow_page);
$t->page('index.html', 'home');
my $redis = $t->redis;
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;'));

my $ctl  = ConsentGate::Ctl->new($t);
my $text = $t->write_file('terms.html', '<h1>Terms</h1>');
my $sha  = sha256_hex('<h1>Terms</h1>');

sub person ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

# Waits until the gate has heard of a version.
sub heard ($version) {
    my $script = $t->script('DE');

    return wait_for(sub {
        $script->get('/consent/state')->json->{documents}[0]{version}
            == $version;
    });
}

sub reason ($person) {
    return $person->get('/')->header('Consent-Gate')
        =~ /reason=(\w+)/ ? $1 : undef;
}

my %person = map { $_ => person($_) } qw(anna bert cleo dora);


subtest 'publish' => sub {
    my @publish = (qw(policy publish terms --version 5 --url /legal/terms),
        '--title', 'Terms "of" \Use', '--file', $text);

    my $run = $ctl->run(@publish);
    is $run->code, 6, 'nobody says yes';
    like $run->err, qr/^consentctl: nobody is at a terminal to ask: give --yes$/m,
        'and it says so';
    is_deeply $redis->hash('gc:p'), {}, 'nothing is published';

    $run = $ctl->json(@publish, '--dry-run');
    is $run->code, 0, 'a dry run';
    my %p = %{ $run->data };
    is_deeply [@p{qw(document published version required before effective
        required_until_now)}], ['terms', JSON::PP::false, 5, 5, 0, 0, undef],
        'tells';
    is_deeply $p{subjects}, { all => 0, asked_again => 0, asked_already => 0,
        declined => 0, accepted => 0 }, 'who is asked';
    is_deeply $redis->hash('gc:p'), {}, 'and does nothing';

    is $ctl->run(@publish, '--yes')->code, 0, 'with --yes';
    is_deeply $redis->hash('gc:p'), { terms => 'version=5 required=5 '
        . 'title="Terms \"of\" \\\\Use" url="/legal/terms" sha256=' . $sha },
        'in the words of the directive';
    ok heard(5), 'the gate hears of it';

    my $state = $t->script('DE')->get('/consent/state')->json->{documents}[0];
    is $state->{sha256}, $sha, 'with the SHA-256 of the text';
};


subtest 'list' => sub {
    my ($terms) = @{ $ctl->json(qw(policy list))->data->{documents} };
    is_deeply $terms, { name => 'terms', version => 5, required => 5,
        before => 0, effective => 0, enforced => 5,
        title => 'Terms "of" \Use', url => '/legal/terms', sha256 => $sha },
        'as JSON';
    my $out = $ctl->run(qw(policy list terms))->out;
    like $out, qr/^terms\n  version    5\n  in force   5\n/, 'as text';
    like $out, qr/^  title      Terms "of" \\Use$/m, 'the title';
    is $ctl->run(qw(policy list nothing))->code, 5, 'one that is not there';

    $redis->cmd(qw(HSET gc:p broken), 'version=x');
    my $run = $ctl->run(qw(policy list));
    is $run->code, 1, 'a malformed one is found';
    like $run->out, qr/^broken\n  malformed: "version" is not a number/m,
        'and named';
    $redis->cmd(qw(HDEL gc:p broken));
};


subtest 'who is asked' => sub {
    answer($person{anna});
    answer($person{bert});
    answer($person{cleo}, what => 'decline');
    is reason($person{anna}), 'accepted', 'anna has accepted';

    my $run = $ctl->json(qw(policy publish terms --version 6 --dry-run));
    is_deeply $run->data->{subjects}, { all => 3, asked_again => 2,
        asked_already => 1, declined => 1, accepted => 0 }, 'in numbers';
    like $run->err, qr/^without --file the answers no longer record/,
        'the text is missed';

    $run = $ctl->run(qw(policy publish terms --version 6 --dry-run));
    like $run->out, qr/^of 3 subjects with a record$/m, 'as text';
    like $run->out, qr/^  2 pass now and will be asked again$/m, 'again';
    like $run->out, qr/^  1 are asked already; 1 of them have declined$/m,
        'already';

    is $ctl->json(qw(policy publish terms --version 6 --no-scan --dry-run))
        ->data->{subjects}, undef, 'or not counted';
};


subtest 'a change of no consequence' => sub {
    my $run = $ctl->json(qw(policy publish terms --version 6 --minor --yes));
    is $run->code, 0, 'is published';
    is $run->data->{subjects}{asked_again}, 0, 'nobody is asked';
    like $redis->hash('gc:p')->{terms}, qr/^version=6 required=5 title=/,
        'only the version rises';
    ok heard(6), 'the gate hears of it';
    is reason($person{anna}), 'notice', 'who has the old one passes';
    is reason($person{cleo}), 'declined', 'the others are asked, as before';
};


subtest 'announce' => sub {
    my $when = time + 4;
    my $run = $ctl->json(qw(policy schedule terms --version 7 --yes --file),
        $text, '--effective', $when);

    is $run->code, 0, 'a version for later' or diag($run->err);
    is_deeply [@{ $run->data }{qw(required before effective)}],
        [7, 5, $when], 'until then what counts now';
    ok heard(7), 'the gate hears of it';

    my $now = reason($person{anna});
    my $declined = reason($person{cleo});
  SKIP: {
        skip 'this machine is slow', 3 if time >= $when;
        is $now, 'notice', 'who has the old one passes until then';
        is $declined, 'declined', 'who has not is asked, as before';
        like $ctl->run(qw(policy list))->out,
            qr/^  in force   5 until 20\S+Z, then 7$/m, 'the list says so';
    }

    answer($person{dora});
    is $redis->hash(key_of(account => 'dora')->{record})->{'d.terms'}, 7,
        'who is asked before has answered to the new one';

    wait_for(sub { time > $when }, 10);
    is reason($person{anna}), 'outdated', 'on the day the others are asked';
    is reason($person{dora}), 'accepted', 'and no one twice';
};


subtest 'announced, and announced again' => sub {
    my $far = time + 86_400;

    $ctl->run(qw(policy schedule terms --version 8 --yes --effective), $far);
    like $redis->hash('gc:p')->{terms},
        qr/^version=8 required=8 effective=$far before=7 /, 'what is in force';

    $ctl->run(qw(policy schedule terms --version 9 --yes --effective),
        $far + 1);
    like $redis->hash('gc:p')->{terms},
        qr/^version=9 required=9 effective=@{[ $far + 1 ]} before=7 /,
        'stays so';

    my $run = $ctl->run(qw(policy publish terms --version 10 --yes));
    like $run->out, qr/^this replaces version 9, which was announced for /m,
        'to publish is to take it back';
    like $redis->hash('gc:p')->{terms}, qr/^version=10 required=10 title=/,
        'at once';
};


subtest 'mistakes' => sub {
    my $before = $redis->hash('gc:p');

    for (
        [2, 'name one document', qw(publish)],
        [2, '"a b" is no name of a document: .*', 'publish', 'a b'],
        [2, '--version is missing', qw(publish terms)],
        [2, '--version: "version" is not a number .*',
            qw(publish terms --version x)],
        [6, 'version 10 is not above the one that is published, 10: .*',
            qw(publish terms --version 10)],
        [2, '--url: "url" is not a path or an http or https URL',
            qw(publish terms --version 11 --url legal)],
        [2, '--title: "title" is longer than 128 bytes',
            qw(publish terms --version 11 --title), 'x' x 129],
        [3, 'cannot open "/nonexistent": .*',
            qw(publish terms --version 11 --file /nonexistent)],
        [2, '--effective is missing', qw(schedule terms --version 11)],
        [2, '--effective: "soon" is not a date',
            qw(schedule terms --version 11 --effective soon)],
        [2, '--effective: "20990101" is not a date',
            qw(schedule terms --version 11 --effective 20990101)],
        [2, '--effective: "2099-02-30" is not a date',
            qw(schedule terms --version 11 --effective 2099-02-30)],
        [2, '--effective: "2099-01-01T24:00Z" is not a date',
            qw(schedule terms --version 11 --effective 2099-01-01T24:00Z)],
        [2, '--effective: 2020-01-01 has passed: publish it',
            qw(schedule terms --version 11 --effective 2020-01-01)],
        [6, '"privacy" is not published: say by --before .*',
            qw(schedule privacy --version 11 --effective 2100-01-01)],
        [2, '"before" is above "required"', qw(schedule terms --version 11
            --effective 2100-01-01 --before 12)],
        [6, '--minor: "privacy" is not published, .*',
            qw(publish privacy --version 11 --minor)],
        [2, '--rate: "x" is not a number .*',
            qw(publish terms --version 11 --rate x)],
    ) {
        my ($code, $message, @words) = @$_;
        my $run = $ctl->run('policy', @words, '--yes', '--quiet');

        is $run->code, $code, "@words: exit code";
        like $run->err, qr/\Aconsentctl: $message\n\z/, 'and why';
    }

    is_deeply $redis->hash('gc:p'), $before, 'nothing is changed';

    $redis->cmd(qw(HSET gc:p terms), 'version=x');
    is $ctl->run(qw(policy publish terms --version 11 --yes))->code, 6,
        'a malformed one is not replaced by accident';
    is $ctl->run(qw(policy publish terms --version 11 --yes --force))->code, 0,
        'but on purpose';
    is $ctl->run(qw(policy publish terms --version 3 --yes --force))->code, 0,
        'and so is a later one';

    is $ctl->run(qw(policy schedule privacy --version 11 --before 2 --yes
        --effective 2100-01-01T12:00:00Z))->code, 0, 'what counts is told';
    is $redis->hash('gc:p')->{privacy},
        'version=11 required=11 effective=4102488000 before=2', 'as written';
};

$t->done;
