use v5.36;

# docs/qa.md, followed to the letter: its commands give what stands below them.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;
my $top = $ConsentGate::Test::ROOT;

$t->redis;
$t->publish(map { $_ => { version => 20180525, required => 20180525,
    url => "/legal/$_" } } qw(terms privacy cookies));
$t->page($_, $_) for qw(index.html style.css about);
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    consent_explain $qa;
    geo $qa { default ""; 127.0.0.1 1; }

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        consent_override allow=$qa;
        consent_remember_eea 180d;
        consent_ask_age on;
        consent_age_page /age;

        location / { }
        location = /about { default_type text/html; }
        location = /policy-update {
            ssi on;
            default_type text/html;
            alias %%TOP%%/conf/pages/policy-update.html;
        }
        location /consent/ { consent_api; }
        location = /consent-qa { consent_qa; }
    }
END

my @blocks = slurp("$top/docs/qa.md") =~ /^```sh\n(.*?)^```$/msg;

# One shell for all, as the reader has; each run of expected lines is a step.
my @steps;
for my $block (@blocks) {
    while ($block =~ /\G((?:(?!#>).*\n)*)((?:#> .*\n)*)/g) {
        my ($commands, $expected) = ($1, $2);
        last if !length "$commands$expected";
        push @steps, [$commands, [$expected =~ /^#> (.*)$/mg]];
    }
}
cmp_ok scalar @steps, '>', 15, 'there are commands';

my $mark = '=== step ===';
$t->write_file('commands.sh', join "echo '$mark'\n",
    map { $_->[0] } @steps);
my $output = do {
    local $ENV{site} = 'http://127.0.0.1:' . $t->port;
    my $file = $t->dir . '/commands.sh';
    `bash $file 2>&1`;
};
is $?, 0, 'they run';

my @outputs = split /^\Q$mark\E\n/m, $output =~ s/\r//gr;

for my $i (0 .. $#steps) {
    my ($commands, $expected) = @{ $steps[$i] };
    my $name = ($commands =~ /^# (.*)$/m)[0] // "step $i";

    for my $line (@$expected) {
        my $pattern = join '.*', map { quotemeta } split /\.\.\./, $line, -1;
        like $outputs[$i] // '', qr/^$pattern$/m, "$name: $line";
    }
}

$t->done;
