use v5.36;

# consentctl itself: help, settings and where they come from, connections, and
# what it says when something is not as it should be.

use lib 't/lib';
use Test::More;
use ConsentGate::Ctl;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->key_file;
my $redis = $t->redis;
my $ctl = ConsentGate::Ctl->new($t);

# One line on standard error, and nothing else.
sub fails ($run, $code, $message, $name) {
    subtest $name => sub {
        is $run->code, $code, 'exit code';
        is $run->out, '', 'nothing on standard output';
        like $run->err, qr/\Aconsentctl: $message\n\z/, 'one line says why';
    };

    return;
}


subtest 'help' => sub {
    my $help = $ctl->run('help');

    is $help->code, 0, 'help';
    like $help->out, qr/^usage: consentctl COMMAND/, 'tells how it is used';
    is $ctl->run('--help')->out, $help->out, '--help is the same';
    is $ctl->run('-h')->out, $help->out, 'and -h';

    my $none = $ctl->run;
    is $none->code, 2, 'without a command it is a mistake';
    is $none->err, $help->out, 'but told in the same way';

    like $ctl->run('--version')->out, qr/^consentctl \d+\.\d+\.\d+$/,
        'version';

    my @commands = map { /^([a-z][\w -]*):/ ? $1 : () } split /\n/,
        $ctl->run(qw(help --table))->out;
    cmp_ok @commands, '>', 1, 'there are commands';

    for my $command (@commands) {
        my $run = $ctl->run('help', split / /, $command);

        is $run->code, 0, "help $command";
        like $run->out, qr/\Ausage: consentctl \Q$command\E\b/, 'usage';
        like $run->out, qr/^  consentctl \Q$command\E\b/m, 'an example';
        is $ctl->run(split(/ /, $command), '--help')->out, $run->out,
            "$command --help";
        like $help->out, qr/^  \Q$command\E +\S/m, 'is listed';
        is [grep { length > 80 } split /\n/, $run->out]->@*, 0,
            'within 80 columns';
    }

    fails $ctl->run(qw(help dance)), 2, 'no command "dance"',
        'help for what does not exist';
};


subtest 'the command line' => sub {
    fails $ctl->run('dance'), 2, 'no command "dance": see consentctl help',
        'an unknown command';
    fails $ctl->run('policy'), 2, 'no command "policy": .*',
        'half of a command';
    fails $ctl->run(qw(policy list --dance)), 2,
        'no option "--dance" for consentctl policy list', 'an option';
    fails $ctl->run(qw(--dance policy list)), 2,
        'no option "--dance" before a command', 'an option in front';
    fails $ctl->run(qw(policy list --realm)), 2, '--realm needs a value',
        'an option without its value';
    fails $ctl->run(qw(subject erase --subject a --subject b)), 2,
        '--subject is given twice', 'an option twice';
    fails $ctl->run(qw(policy list a b)), 2, 'one document at most',
        'too many arguments';

    my $error = $ctl->json('dance')->error;
    is_deeply [@$error{qw(code exit)}], ['usage', 2], 'errors in JSON';
    like $error->{message}, qr/^no command "dance"/, 'with the words';
};


subtest 'settings' => sub {
    for (
        ['tls maybe', 'tls: "maybe" is not "on" or "off"'],
        ['database x', 'database: "x" is not a number'],
        ['prefix {x}', 'prefix: "\{x\}" is not .*'],
        ['timeout soon', 'timeout: "soon" is not a time'],
        ['timeout 0', 'timeout: "0" is not a time'],
        ['topology ring', 'topology: "ring" is not .*'],
        ['topology sentinel', 'topology: "sentinel" is not .*'],
        ["prefix a\x07", 'prefix: "a " is not .*'],
        ["prefix \xff:", 'prefix: "\xff:" is not .*'],
        ['username x', 'username needs password_file'],
        ["realm a\0b", '".*" has a NUL in it'],
        ['dance', '".*", line 3: no setting "dance"'],
        ['realm', '".*", line 3: "realm" has no value'],
        ["realm a\nrealm b", '".*", line 4: "realm" is given twice'],
    ) {
        my ($line, $message) = @$_;
        my $bad = ConsentGate::Ctl->new($t, config => 'bad.conf',
            lines => [$line]);

        fails $bad->run(qw(policy list)), 2, $message, $line =~ s/\n/; /r;
    }

    fails $ctl->run(qw(--config /nonexistent policy list)), 3,
        'cannot open "/nonexistent": No such file or directory',
        'no such file';

    $redis->cmd(qw(SELECT 3));
    $redis->cmd(qw(HSET other:p terms version=7));
    $redis->cmd(qw(SELECT 0));

    my $other = ConsentGate::Ctl->new($t, config => 'other.conf',
        lines => ['database 3; # as copied from nginx', "prefix 'other:';",
        'realm a#b', '#prefix gc:', 'timeout 1M;# long']);
    is $other->json(qw(policy list))->data->{documents}[0]{version}, 7,
        'database and prefix from the file';
    is $other->run(qw(policy list --prefix gc:))->code, 5,
        'an option counts before the file';

    my $empty = $other->shell('CONSENTCTL_PREFIX= CONSENTCTL_REALM= '
        . 'exec "$0" "$@"');
    is $empty->json(qw(policy list))->code, 0, 'an empty variable is none';
    my $set = $other->shell('CONSENTCTL_PREFIX=gc: exec "$0" "$@"');
    is $set->json(qw(policy list))->code, 5, 'another one counts';
};


subtest 'Redis' => sub {
    fails $ctl->run(qw(policy list)), 5, 'no document is published: .*',
        'nothing there';
    fails $ctl->run(qw(policy list --server 127.0.0.1:), $t->port('none')), 4,
        'Redis at 127.0.0.1:: not HOST:PORT', 'no port';
    fails $ctl->run(qw(policy list --server), '127.0.0.1:' . $t->port('none')),
        4, 'Redis at .*: connect: Connection refused', 'nobody there';
    fails $ctl->run(qw(policy list --server unix:/nonexistent)), 4,
        'Redis at .*: connect: No such file or directory', 'no socket';

    my $list = $redis->address . ',unix:/nonexistent';
    is $ctl->run(qw(policy list --server), "unix:/nonexistent,$list")->code, 5,
        'the next server is asked';

    $redis->freeze;
    fails $ctl->run(qw(policy list --timeout 1s)), 4,
        'Redis at .*: no reply in time \(read\)', 'one that is silent';
    $redis->thaw;

    $redis->cmd(qw(SET gc:p string));
    fails $ctl->run(qw(policy list)), 4,
        'Redis at .* refuses: WRONGTYPE .*', 'an error of Redis';
    $redis->cmd(qw(DEL gc:p));
};


subtest 'a password' => sub {
    my $ctl = ConsentGate::Ctl->new($t, config => 'nobody.conf', lines => []);
    my $secret = $t->redis(config => { requirepass => 'secret' },
        password => 'secret');
    my @server = ('--server', $secret->address);
    my $right = $t->write_file('right', "secret\n", 0600);
    my $wrong = $t->write_file('wrong', "guess\n", 0600);
    my $open  = $t->write_file('open', "secret\n", 0644);

    fails $ctl->run(qw(policy list), @server), 4,
        'Redis at .* wants a password: set password_file', 'none';
    fails $ctl->run(qw(policy list), @server, '--password-file', $wrong), 4,
        'Redis at .* refuses the password: WRONGPASS .*', 'a wrong one';
    fails $ctl->run(qw(policy list), @server, '--password-file', $open), 3,
        '"[^"]+" is readable or writable by others \(mode 0644\), .*',
        'one that everybody reads';
    is $ctl->run(qw(policy list), @server, '--password-file', $right)->code,
        5, 'the right one';

    $secret->cmd(qw(ACL SETUSER gate on >other ~gc:* +@all));
    my $other = $t->write_file('other', 'other', 0600);
    is $ctl->run(qw(policy list --username gate), @server, '--password-file',
        $other)->code, 5, 'of a user';
    fails $ctl->run(qw(policy list --username gate), @server), 2,
        'username needs password_file', 'a user without one';
};


subtest 'TLS' => sub {
    my ($cert, $key) = $t->certificate;
    my $port = $t->port('tls');
    my $tls = $t->redis(config => { 'tls-port' => $port,
        'tls-cert-file' => $cert, 'tls-key-file' => $key,
        'tls-auth-clients' => 'no' });
    my @options = ('--server', "127.0.0.1:$port", qw(--tls on));

    is $ctl->run(qw(policy list), @options, '--tls-trusted-certificate',
        $cert, qw(--tls-server-name localhost))->code, 5, 'works';
    fails $ctl->run(qw(policy list), @options, '--tls-trusted-certificate',
        $cert, qw(--tls-server-name example.org)), 4,
        'Redis at .*: the certificate is refused for "example.org": .*',
        'another name';
    fails $ctl->run(qw(policy list), @options), 4,
        'Redis at .*: the certificate is refused for "127.0.0.1": .*',
        'an authority that is not trusted';
    fails $ctl->run(qw(policy list), @options, qw(--tls-trusted-certificate
        /nonexistent)), 3, 'cannot read the certificates in .*', 'no file';
};

$t->done;
